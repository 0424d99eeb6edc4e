import re

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.core.surrogate import Soft
from ranvier.core.surrogates.atan import ATan


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) * 2


@pytest.fixture
def layer():
    layer = rn.PSN(6).double()
    with torch.no_grad():
        layer.weight.copy_(draw(6, 6, seed=1))
        layer.v_th.copy_(draw(6, seed=2))
    return layer


def test_spikes_are_those_of_the_equations(layer):
    x, weight, v_th = draw(6, 3, 4, 5), layer.weight.detach().numpy(), layer.v_th.detach().numpy()
    expected = np.zeros((6, 3, 4, 5))
    for t in range(6):
        h = sum(weight[t, j] * x[j].numpy() for j in range(6))
        expected[t] = h >= v_th[t]
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


def test_the_first_step_hears_the_last_input(layer):
    x = draw(6, 2, 3)
    changed = x.clone()
    changed[5] += 100.0
    assert not torch.equal(layer(x)[0], layer(changed)[0])


def test_gradients_of_a_smooth_layer_are_finite_differences():
    layer = rn.PSN(4, surrogate=Soft(of=ATan())).double()
    values = [
        draw(4, 2, 3).requires_grad_(),
        layer.weight.detach().requires_grad_(),
        layer.v_th.detach().requires_grad_(),
    ]
    assert torch.autograd.gradcheck(
        lambda x, w, v: torch.func.functional_call(layer, {"weight": w, "v_th": v}, (x,)), values
    )


def test_gradients_pass_the_surrogate(layer):
    x = draw(6, 2, 3).requires_grad_()
    layer(x).sum().backward()
    h = layer.weight.detach() @ x.detach().flatten(1)
    slope = ATan().derivative(h - layer.v_th.detach()[:, None])
    np.testing.assert_allclose(layer.v_th.grad.numpy(), -slope.sum(1).numpy(), rtol=1e-10)
    np.testing.assert_allclose(layer.weight.grad.numpy(), (slope @ x.detach().flatten(1).T).numpy(), rtol=1e-10)
    np.testing.assert_allclose(x.grad.flatten(1).numpy(), (layer.weight.detach().T @ slope).numpy(), rtol=1e-10)


def test_it_cannot_stream_and_the_error_says_what_can(layer):
    stream = rn.Stream(rn.Sequential(layer), batch=2)
    text = "expected the whole sequence of 6 steps, got 1 steps. It cannot stream, for its outputs depend on inputs to come"
    with pytest.raises(ShapeError, match=re.escape(text)):
        stream(draw(2, 3))
    assert torch.equal(stream.run(draw(6, 2, 3)), layer(draw(6, 2, 3)))
    with pytest.raises(
        StateError, match="expected a run from the start, got one that goes on from a state. Its outputs"
    ):
        stream.run(draw(6, 2, 3))


def test_short_floats_are_computed_in_float32():
    layer = rn.PSN(6)
    x = draw(6, 2, 3, dtype=torch.bfloat16)
    assert layer(x).dtype == torch.bfloat16
    assert torch.equal(layer(x).float(), layer(x.float()))


# torch makes an instance of its own class while it traces one.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_a_network_with_it_compiles_to_one_graph():
    net = rn.Sequential(
        nn.Linear(5, 4), rn.PSN(6), nn.Linear(4, 3), rn.SlidingPSN(2), nn.Linear(3, 3), rn.MaskedPSN(6, 2)
    )
    x = draw(6, 2, 5, dtype=torch.float32)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(x), net(x))
    torch._dynamo.reset()


def test_it_is_refused_without_steps_and_says_what_it_is():
    with pytest.raises(ConfigError, match=re.escape("PSN.num_steps: expected at least 1 step, got 0.")):
        rn.PSN(0)
    assert "num_steps=6" in repr(rn.PSN(6))
