from itertools import pairwise

import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.neurons import LIF
from ranvier.nn import Dropout, Scale, WSConv2d, vgg
from ranvier.nn.vgg import VGG11


def test_vgg11_has_the_parameters_of_its_layers_counted_by_hand():
    net = vgg(VGG11, LIF(), size=(2, 48, 48), num_classes=10, pooled=7, dropout=0.3)
    widths = (2, 64, 128, 256, 256, 512, 512, 512, 512)
    convs = sum(n * m * 9 + m for n, m in pairwise(widths))
    norms = 2 * sum(widths[1:])
    assert sum(p.numel() for p in net.parameters()) == convs + norms + 512 * 49 * 10 + 10
    assert sum(isinstance(m, Dropout) for m in net.modules()) == 8


def test_it_answers_at_every_step_and_its_weights_start_as_in_the_paper():
    torch.manual_seed(0)
    net = vgg((8, "P", 16, "P"), LIF(), size=(3, 8, 12), num_classes=4)
    assert net(torch.rand(3, 2, 3, 8, 12)).shape == (3, 2, 4)
    assert net["linear"].weight.shape == (4, 16 * 2 * 3)
    assert net["conv2"].weight.std().item() == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.1)
    assert net["linear"].weight.std().item() == pytest.approx(0.01, rel=0.2)


def test_without_batch_norm_convolutions_are_standardised_and_spikes_scaled():
    net = vgg((8, "P", 16), LIF(tau_m=2.0, decay_input=False), size=(3, 8, 8), num_classes=4, norm="weight")
    kinds = [type(m) for m in net]
    assert kinds.count(WSConv2d) == kinds.count(Scale) == 2
    assert not any("norm" in name for name, _ in net.named_modules())
    spikes = net[:3](torch.rand(5, 2, 3, 8, 8) * 3)
    assert spikes.unique().tolist() == pytest.approx([0.0, 2.74])


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ConfigError, match="expected pixels left of 4 x 4, got 3 times pooling by 2"):
        vgg((2, "P", 2, "P", "P"), LIF(), size=(1, 4, 4), num_classes=2)
    with pytest.raises(ConfigError, match=r"vgg\.plan: expected channels >= 1"):
        vgg(("P",), LIF(), size=(1, 4, 4), num_classes=2)
