"""The oracle is a loop over every multiplication, in numpy."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ShapeError
from ranvier.measure.operations import operations
from ranvier.neurons import LIF


def conv2d_by_hand(x, weight, *, stride, padding, dilation, groups):
    """Count the products of non-zero values, and all products: x (N, C, H, W), weight (O, C / groups, kh, kw)."""
    num, _, height, width = x.shape
    outs, per_group, kh, kw = weight.shape
    oh = (height + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    ow = (width + 2 * padding - dilation * (kw - 1) - 1) // stride + 1
    effective = dense = 0
    for n, o, i, j in itertools.product(range(num), range(outs), range(oh), range(ow)):
        for c, a, b in itertools.product(range(per_group), range(kh), range(kw)):
            y, z = i * stride - padding + a * dilation, j * stride - padding + b * dilation
            if 0 <= y < height and 0 <= z < width:  # padding is no operation
                channel = o // (outs // groups) * per_group + c
                dense += 1
                effective += x[n, channel, y, z] != 0 and weight[o, c, a, b] != 0
    return effective, dense


class Folded(nn.Module):
    """Calls layers with time folded into the batch."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x_TB):
        x = x_TB.flatten(0, 1)
        for layer in self.layers:
            x = layer(x)
        return x.unflatten(0, x_TB.shape[:2])


def sparse(generator, *shape, binary=True):
    x = (torch.rand(shape, generator=generator) < 0.4).float()
    return x if binary else x * torch.randint(1, 4, shape, generator=generator)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (2, 1, 1, 2), (3, 1, 2, 4)]
)
@pytest.mark.parametrize("binary", [True, False])
def test_convolutions_are_counted_as_by_hand(stride, padding, dilation, groups, binary):
    generator = torch.Generator().manual_seed(stride + 10 * groups)
    shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = nn.Conv2d(4, 8, (3, 2), **shape)
    with torch.no_grad():
        layer.weight[torch.rand(layer.weight.shape, generator=generator) < 0.3] = 0
    x = sparse(generator, 2, 3, 4, 7, 6, binary=binary)  # T = 2, B = 3
    effective, dense = conv2d_by_hand(x.flatten(0, 1).numpy(), layer.weight.detach().numpy(), **shape)
    found = operations(Folded(layer), x).layers["layers.0"]
    assert effective > 0
    assert found.dense == dense / 3
    assert found.once == dense / 6
    assert (found.acs if binary else found.macs) == effective / 3
    assert (found.macs if binary else found.acs) == 0


def test_the_worked_example_of_the_benchmark():
    layer = nn.Linear(3, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.3, 0, -3.2], [0, 1.2, -5.1], [-1.1, 2.7, 0]]))
    found = operations(layer, torch.tensor([0, 1.3, -1]).reshape(1, 1, 3))
    assert (found.macs, found.acs, found.dense) == (4, 0, 9)


def test_a_border_is_not_counted():
    x = torch.ones(1, 1, 1, 5, 5)
    assert operations(Folded(nn.Conv2d(1, 1, 3, padding=1)), x).dense == 169


def test_the_keyword_network_of_the_benchmark_has_29_030_400_dense_operations():
    net = nn.Sequential(nn.Linear(20, 256), nn.Linear(256, 256), nn.Linear(256, 256), nn.Linear(256, 35))
    found = operations(net, torch.zeros(200, 2, 20))
    assert found.dense == 29_030_400
    assert found.once == 145_152


def test_pruning_half_of_the_weights_halves_the_operations_on_dense_input():
    layer = nn.Linear(8, 6)
    with torch.no_grad():
        layer.weight[:, ::2] = 0
    assert operations(layer, torch.ones(1, 1, 8)).acs == 24


@pytest.mark.parametrize(
    ("value", "sort"), [(1.0, "acs"), (-1.0, "acs"), (0.5, "macs"), (2.0, "macs"), (float("nan"), "macs")]
)
def test_only_ones_and_zeros_of_either_sign_are_additions(value, sort):
    x = torch.tensor([0.0, 1.0, value]).reshape(1, 1, 3)
    found = operations(nn.Linear(3, 5), x)
    assert getattr(found, sort) == 10
    assert found.macs + found.acs == 10


def test_silence_costs_nothing_and_counts_as_additions():
    found = operations(nn.Linear(3, 5), torch.zeros(4, 2, 3))
    assert (found.macs, found.acs, found.dense) == (0, 0, 60)


@pytest.mark.parametrize(
    ("layer", "shape", "per_row"),
    [
        (nn.Conv1d(2, 3, 3), (2, 10), 8 * 3 * 2 * 3),
        (nn.Conv3d(1, 2, 2), (1, 3, 3, 3), 8 * 2 * 8),
        (nn.Conv2d(2, 3, 3, padding="same"), (2, 4, 4), 10 * 10 * 2 * 3),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), (1, 4, 4), 16 * 9),
        (nn.ConvTranspose2d(2, 3, 2, stride=2), (2, 3, 3), 9 * 2 * 3 * 4),
        (nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1), (1, 2, 2), 4 + 6 + 6 + 9),
    ],
)
def test_other_convolutions_by_closed_form(layer, shape, per_row):
    assert operations(Folded(layer), torch.ones(2, 3, *shape)).once == per_row


def test_a_layer_on_a_sequence_of_positions_does_them_all_in_one_pass():
    found = operations(nn.Linear(4, 5), torch.ones(3, 2, 7, 4))
    assert (found.dense, found.once) == (3 * 7 * 20, 7 * 20)


def test_a_layer_called_once_a_sequence_is_not_divided_by_the_steps():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.read = nn.Linear(4, 5)

        def forward(self, x_TB):
            return self.read(x_TB.mean(dim=0))

    found = operations(Last(), torch.ones(3, 2, 4))
    assert (found.dense, found.once) == (20, 20)


def test_inputs_of_changing_size_are_counted_each_as_they_are():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 2)

        def forward(self, x_TB):
            self.conv(x_TB.flatten(0, 1)[..., :3])
            return self.conv(x_TB.flatten(0, 1))

    assert operations(Twice(), torch.ones(1, 2, 1, 10)).dense == 2 * 9 + 2 * 2


def test_what_cannot_be_counted_is_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 1)
            self.norm = nn.BatchNorm1d(4)
            self.read = nn.Linear(4, 2)

        def forward(self, x_TB):
            return self.read(x_TB)

    assert operations(Net(), torch.ones(1, 1, 4)).uncounted == ("attention",)


def test_counting_changes_nothing():
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4)).train()
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    operations(Folded(*net), torch.ones(2, 3, 4))
    assert [m.training for m in net] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net[0]._forward_pre_hooks


def test_counts_above_two_to_the_24_stay_exact():
    layer = nn.Linear(4099, 4097)
    nn.init.ones_(layer.weight)
    assert operations(layer, torch.ones(1, 1, 4099)).acs == 4099 * 4097


def test_an_input_without_samples_is_an_error():
    with pytest.raises(
        ShapeError, match=r"operations: expected a tensor \(T, B, \.\.\.\) with T, B >= 1, got \(2, 0, 3\)"
    ):
        operations(nn.Linear(3, 3), torch.ones(2, 0, 3))


def test_effective_operations_never_exceed_dense_ones():
    generator = torch.Generator().manual_seed(0)
    for p in np.linspace(0, 1, 5):
        x = (torch.rand(3, 2, 1, 6, 6, generator=generator) < p).float()
        found = operations(Folded(nn.Conv2d(1, 4, 3, padding=1)), x)
        assert 0 <= found.acs <= found.dense


def test_the_products_of_attention_are_counted_beside_the_layers():
    torch.manual_seed(0)
    net = rn.Sequential(rn.SSA(4, heads=2, neuron=LIF.like_spikingjelly()))
    x = sparse(torch.Generator().manual_seed(0), 3, 2, 4, 3, 3)
    counted = operations(net, x)
    product = counted.layers["0.product"]
    assert product.dense == 3 * 2 * (2 * 9 * 2 * 2)  # T h (2 N d d), as N > d
    assert product.once == 2 * (2 * 9 * 2 * 2)
    assert product.macs == 0
    assert counted.uncounted == ()
    assert set(counted.layers) == {
        "0.query.project.conv", "0.key.project.conv", "0.value.project.conv", "0.out.conv", "0.product"
    }  # fmt: skip
