import re

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) * 2


@pytest.mark.parametrize("order", [1, 2, 5, 12])
def test_spikes_are_those_of_the_equations(order):
    layer = rn.SlidingPSN(order).double()
    x = draw(9, 3, 4)
    expected = np.zeros((9, 3, 4))
    for t in range(9):
        h = sum(0.5**lag * x[t - lag].numpy() for lag in range(order) if lag <= t)
        expected[t] = h >= 1.0
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


def test_a_stream_says_what_the_whole_sequence_says():
    layer = rn.SlidingPSN(4)
    x = draw(20, 2, 3, dtype=torch.float32)
    stream = rn.Stream(layer, batch=2)
    assert torch.equal(torch.stack([stream(frame) for frame in x]), layer(x))
    assert stream.state[""].past.shape == (2, 3, 3)


def test_gradients_of_a_smooth_layer_are_finite_differences():
    layer = rn.SlidingPSN(3, surrogate=Soft(of=ATan())).double()
    values = [
        draw(5, 2).requires_grad_(),
        draw(3, seed=1).requires_grad_(),
        draw(1, seed=2)[0].detach().requires_grad_(),
    ]
    assert torch.autograd.gradcheck(
        lambda x, w, v: torch.func.functional_call(layer, {"weight": w, "v_th": v}, (x,)), values
    )


def test_it_is_refused_without_a_window_and_says_what_it_is():
    with pytest.raises(ConfigError, match=re.escape("SlidingPSN.order: expected at least 1 step, got 0.")):
        rn.SlidingPSN(0)
    assert "order=3" in repr(rn.SlidingPSN(3))
