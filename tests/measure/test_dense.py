"""The oracles are a loop over places and taps, the counter that looks at numbers, and torch's own shapes."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ShapeError
from ranvier.measure import dense_operations, operations
from ranvier.neurons import LIF


class Folded(nn.Module):
    """Calls a layer with time folded into the batch."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x_TB):
        return self.layer(x_TB.flatten(0, 1)).unflatten(0, x_TB.shape[:2])


def taps(size, kernel, stride, padding, dilation):
    """Count pairs of places and taps along an axis: those on an input, and all."""
    places = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    at = [p * stride - padding + k * dilation for p, k in itertools.product(range(places), range(kernel))]
    return sum(0 <= x < size for x in at), len(at)


@given(
    st.integers(1, 2), st.sampled_from([1, 2]), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3),
    st.integers(0, 3), st.integers(1, 2), st.integers(5, 9),
)  # fmt: skip
def test_a_convolution_is_counted_place_by_place(steps, groups, width, kernel, stride, padding, dilation, size):
    shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if dilation * (kernel - 1) >= size + 2 * padding:
        return
    layer = nn.Conv2d(2 * groups, width * groups, (kernel, 1), **shape)
    x = torch.ones(steps, 3, 2 * groups, size, 4)
    inside, everywhere = (
        a * b * 2 * width * groups * steps
        for a, b in zip(
            taps(size, kernel, stride, padding, dilation), taps(4, 1, stride, padding, dilation), strict=True
        )
    )
    assert dense_operations(Folded(layer), x) == {"layer": everywhere}
    assert dense_operations(Folded(layer), x, borders=False) == {"layer": inside}


@pytest.mark.parametrize(
    ("layer", "shape", "with_borders"),
    [
        (nn.Linear(4, 5), (4,), 20),
        (nn.Linear(4, 5), (7, 4), 140),  # a sequence of seven positions
        (nn.Conv1d(2, 3, 3), (2, 10), 8 * 3 * 2 * 3),
        (nn.Conv3d(1, 2, 2), (1, 3, 3, 3), 8 * 2 * 8),
        (nn.Conv2d(2, 3, 3, padding="same"), (2, 4, 4), 16 * 9 * 2 * 3),
        (nn.Conv2d(2, 3, 4, padding="same", dilation=2), (2, 4, 4), 16 * 16 * 2 * 3),
        (nn.Conv2d(2, 3, 3, padding="valid"), (2, 4, 4), 4 * 9 * 2 * 3),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), (1, 4, 4), 16 * 9),
        (nn.ConvTranspose2d(2, 3, 2, stride=2), (2, 3, 3), 9 * 2 * 3 * 4),
        (nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1), (1, 2, 2), 4 * 9),
        (rn.DelayConv2d(2, 3, delays=4, size=2), (2, 3, 5), None),
        (rn.DelayConv2d(2, 3, delays=4, size=2, swap=True), (2, 3, 5), None),
        (rn.DelayedLinear(4, 5, max_delay=3, synapses=2), (4,), 40),
    ],
)
def test_without_borders_it_is_what_happens_if_nothing_is_zero(layer, shape, with_borders):
    net = layer if isinstance(layer, rn.DelayConv2d | rn.DelayedLinear) else Folded(layer)
    x = torch.ones(6, 2, *shape)
    assert all(bool((p != 0).all()) for name, p in layer.named_parameters() if name.endswith("weight"))
    ((path, found),) = operations(net, x).layers.items()
    assert dense_operations(net, x, borders=False) == {path: found.acs} == {path: found.dense}
    if with_borders is not None:
        assert list(dense_operations(net, x).values()) == [6 * with_borders]


@pytest.mark.parametrize("order", ["auto", "keys-values", "queries-keys"])
def test_the_products_of_attention_are_in_it_in_the_order_that_they_take(order):
    net = rn.Sequential(rn.SSA(4, heads=2, neuron=LIF.like_spikingjelly()))
    net[0].product.order = order
    for side, cheaper in ((1, 1), (3, 2)):  # N = 1 < d = 2, N = 9 > d
        places = side * side
        factor = {"auto": cheaper, "keys-values": 2, "queries-keys": places}[order]
        found = dense_operations(net, torch.ones(5, 3, 4, side, side))
        assert found.pop("0.product") == 5 * 2 * 4 * places * factor
        assert list(found.values()) == [5 * 4 * 4 * places] * 4


def test_it_needs_no_numbers():
    with torch.device("meta"):
        net, x = Folded(nn.Conv2d(3, 64, 3, padding=1, bias=False)), torch.zeros(4, 1, 3, 224, 224)
    assert dense_operations(net, x) == {"layer": 4 * 3 * 64 * 9 * 224 * 224}


def test_a_layer_that_is_called_twice_counts_twice_and_keeps_its_mode():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Linear(3, 3)

        def forward(self, x):
            return self.map(self.map(x))

    net = Twice().train()
    assert dense_operations(net, torch.ones(2, 5, 3)) == {"map": 2 * 2 * 9}
    assert net.training
    assert not net.map._forward_pre_hooks


def test_an_input_without_steps_is_an_error():
    with pytest.raises(ShapeError, match=r"^dense_operations: expected a tensor \(T, B, \.\.\.\) with T, B >= 1"):
        dense_operations(nn.Linear(3, 3), torch.ones(0, 2, 3))
