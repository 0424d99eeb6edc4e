"""PLIF: the leak is a sigmoid and learns."""

import numpy as np
import pytest
import torch

from ranvier.core.reset import ToValue
from ranvier.neurons import PLIF


def test_golden_trace_of_a_time_constant_of_two_steps(simulate):
    seen = simulate(PLIF.of_tau(2.0), [0.5, 0.8, 0.0, 2.0], dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], [0, 0, 0, 1])
    np.testing.assert_allclose(seen.states["v"][:, 0], [0.25, 0.525, 0.2625, 0.0], atol=1e-12)


@pytest.mark.parametrize("decay_input", [True, False])
def test_it_follows_the_equations_of_the_paper(decay_input, simulate):
    x, k, v, expected = np.random.default_rng(1).uniform(0, 2, 100), 1 / (1 + np.exp(0.7)), -0.2, []
    for value in x:
        v = v + k * (value - (v + 0.2)) if decay_input else v - k * (v + 0.2) + value
        expected.append(v >= 1)
        v = -0.2 if v >= 1 else v
    neuron = PLIF(w=-0.7, v_rest=-0.2, decay_input=decay_input, reset=ToValue(v_reset=-0.2))
    seen = simulate(neuron, x, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], expected)
    assert 3 < sum(expected) < 97


@pytest.mark.parametrize("tau", [1.5, 2.0, 16.0])
def test_of_tau_inverts_the_sigmoid(tau):
    assert 1 + np.exp(-PLIF.of_tau(tau).w) == pytest.approx(tau)


def test_the_leak_has_the_gradient_of_its_equation():
    # One step below threshold from v = 0.4: h = v + k (x - v), so dh/dw = k (1 - k) (x - v).
    w = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    neuron = PLIF(w=w)
    state, _ = neuron.step(neuron.State(torch.tensor([0.4], dtype=torch.float64)), torch.tensor([0.9]).double(), dt=1.0)
    (grad,) = torch.autograd.grad(state.v.sum(), w)
    k = 1 / (1 + np.exp(-0.3))
    # v = 0.64 is below 1; the reset is detached, and the surrogate reaches v only through the spike.
    assert grad.item() == pytest.approx(k * (1 - k) * 0.5)


def test_layers_learn_the_leak():
    assert PLIF.LEARNED == ("w",)
