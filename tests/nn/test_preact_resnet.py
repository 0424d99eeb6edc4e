import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.neurons import LIF
from ranvier.nn import preact_resnet, run


def test_resnet18_has_the_parameters_of_its_layers_counted_by_hand():
    net = preact_resnet(LIF(), num_classes=10)
    total, channels = 3 * 64 * 9, 64
    for wide, places in ((64, 2), (128, 2), (256, 2), (512, 2)):
        for _ in range(places):
            total += 2 * channels + (channels * wide * 9 + wide) + 2 * wide + (wide * wide * 9 + wide)
            total += channels * wide + wide if channels != wide else 0
            channels = wide
    total += 2 * 512 + 512 * 10 + 10
    assert sum(p.numel() for p in net.parameters()) == total


def test_a_block_adds_the_spikes_themselves_to_its_branch():
    net = preact_resnet(LIF(tau_m=2.0, v_th=0.3), num_classes=3, blocks=(1,), width=4).eval()
    norm, neurons, residual = net["stage1"][0]
    x = torch.randn(5, 2, 4, 6, 6)
    with torch.no_grad():
        residual.branch[-1].weight.zero_()
        residual.branch[-1].bias.zero_()
        spikes = neurons(norm(x.flatten(0, 1)).unflatten(0, (5, 2)))
        assert 0 < spikes.mean() < 1
        assert torch.equal(net["stage1"](x), spikes)


def test_stages_halve_the_picture_and_time_can_be_cut():
    torch.manual_seed(0)
    net = preact_resnet(LIF(tau_m=2.0, v_th=0.3), num_classes=3, blocks=(1, 1, 2), width=4, dropout=0.2).eval()
    x = torch.randn(6, 2, 3, 8, 8)
    assert [m.stride for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)] == [(2, 2), (2, 2)]
    whole = net(x)
    assert whole.shape == (6, 2, 3)
    first, state = run(net, x[:2])
    torch.testing.assert_close(torch.cat([first, run(net, x[2:], state)[0]]), whole)


def test_a_stage_without_blocks_is_refused():
    with pytest.raises(ConfigError, match=r"preact_resnet\.blocks: expected at least one block a stage, got \(2, 0\)"):
        preact_resnet(LIF(), num_classes=2, blocks=(2, 0))
