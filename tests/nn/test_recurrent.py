import copy
import pickle
import re

import numpy as np
import pytest
import torch

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.neurons import LIF


def recurrent(x, weight, bias, tau):
    """Recurrent leaky neurons with soft reset in float64 numpy."""
    decay = np.exp(-1.0 / tau)
    v, s, out = np.zeros_like(x[0]), np.zeros_like(x[0]), []
    for current in x:
        v = decay * v + (1 - decay) * (current + s @ weight.T + bias)
        s = (v >= 1.0).astype(float)
        v = v - s
        out.append(s)
    return np.stack(out), v


@pytest.fixture
def layer(seeded):
    layer = rn.Recurrent(LIF(tau_m=3.0), 6, bias=True, learn=("tau_m",)).double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(6, 6, generator=seeded) * 2)
        layer.bias.copy_(torch.randn(6, generator=seeded) * 0.3)
    return layer


def test_spikes_and_state_are_those_of_the_equations(layer, seeded):
    x = torch.rand(50, 4, 6, generator=seeded, dtype=torch.float64) * 3
    spikes, v = recurrent(x.numpy(), layer.weight.detach().numpy(), layer.bias.detach().numpy(), 3.0)
    y, state = layer.run(x)
    assert 0.1 < spikes.mean() < 0.9
    np.testing.assert_array_equal(y.detach().numpy(), spikes)
    np.testing.assert_allclose(state.v.detach().numpy(), v, atol=1e-12)
    np.testing.assert_array_equal(state.last_spikes.detach().numpy(), spikes[-1])


def test_what_it_says_differs_from_what_it_hears_without_recurrence(layer, seeded):
    x = torch.rand(50, 4, 6, generator=seeded, dtype=torch.float64) * 3
    before = layer(x)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    assert torch.equal(layer(x), rn.Spiking(LIF(tau_m=3.0))(x))
    assert not torch.equal(layer(x), before)


def test_gradients_reach_weight_bias_and_neuron(layer, seeded):
    layer(torch.rand(20, 4, 6, generator=seeded, dtype=torch.float64) * 3).sum().backward()
    for p in layer.parameters():
        assert p.grad.abs().max() > 0


def test_gradient_of_a_smooth_layer_matches_finite_differences(seeded):
    from ranvier.core.surrogate import Soft
    from ranvier.core.surrogates.atan import ATan

    layer = rn.Recurrent(LIF(tau_m=3.0, surrogate=Soft(of=ATan())), 3).double()
    x = torch.rand(4, 2, 3, generator=seeded, dtype=torch.float64, requires_grad=True)
    start = layer.run(x)[1]
    assert torch.autograd.gradcheck(
        lambda x, w, v, s: torch.func.functional_call(layer, {"weight": w}, (x,)) + 0 * (v.sum() + s.sum()),
        (x, layer.weight.detach().requires_grad_(), *(t.detach().requires_grad_() for t in start)),
    )


def test_more_axes_than_one_are_batch():
    layer = rn.Recurrent(LIF(), 3)
    assert layer(torch.ones(4, 2, 5, 3)).shape == (4, 2, 5, 3)


def test_it_survives_copies_and_pickles(layer, seeded):
    x = torch.rand(9, 2, 6, generator=seeded, dtype=torch.float64) * 3
    _, state = layer.run(x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other.run(x, state)[0], layer.run(x, state)[0])


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (torch.zeros(4, 2, 5), "Recurrent(LIF): expected input (T, B, ..., 6), got (4, 2, 5). Project it by nn.Linear"),
        (torch.zeros(4, 6), "Recurrent(LIF): expected input (T, B, ..., 6), got (4, 6)."),
    ],
)
def test_an_input_of_another_size_is_refused(layer, x, text):
    with pytest.raises(ShapeError, match=re.escape(text)):
        layer(x)


def test_a_size_below_one_is_refused():
    with pytest.raises(ConfigError, match=re.escape("Recurrent.size: expected at least 1 neuron, got 0.")):
        rn.Recurrent(LIF(), 0)


def test_the_state_of_plain_neurons_is_refused(layer):
    with pytest.raises(StateError, match=re.escape("fields (v, last_spikes), got a State")):
        layer.run(torch.zeros(1, 1, 6), LIF.State(torch.zeros(1, 6)))


def test_it_says_what_it_is(layer):
    assert "tau_m*=3" in repr(layer)
    assert "size=6, bias=True" in repr(layer)
