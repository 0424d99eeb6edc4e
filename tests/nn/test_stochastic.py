"""Stochastic firing: the probability it promises, and nothing else about the neuron changed."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.core.surrogates import Sigmoid
from ranvier.neurons import IF, LIF, LeakyIntegrator
from ranvier.nn import Stochastic, observe, run


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_it_fires_with_the_logistic_probability_of_its_distance_to_threshold(temperature):
    layer = Stochastic(IF(v_th=1.0), temperature=temperature)
    v = torch.tensor([0.5, 0.9, 1.0, 1.2, 2.0])
    tosses = 40_000
    fired = layer(v.expand(1, tosses, 5)).mean((0, 1)).numpy()
    p = 1 / (1 + np.exp(-(v.numpy() - 1.0) / temperature))
    assert np.all(np.abs(fired - p) <= 4 * np.sqrt(p * (1 - p) / tosses) + 1e-6)


def test_a_temperature_of_almost_zero_is_the_neuron_itself():
    x = 2 * torch.rand(50, 4, 3, dtype=torch.float64)
    neuron = LIF(tau_m=5.0)
    v, expected = np.zeros((4, 3)), []
    for step in x.numpy():
        v = np.exp(-1 / 5) * v + (1 - np.exp(-1 / 5)) * step
        expected.append(v >= 1)
        v = v - expected[-1]
    spikes = Stochastic(neuron, temperature=1e-9)(x)
    np.testing.assert_array_equal(spikes, expected)
    assert 0 < spikes.mean() < 0.9


def test_pieces_carry_the_state_and_neurons_reset():
    layer = Stochastic(IF(v_th=1.0), temperature=1e-9)
    x = torch.full((7, 1, 1), 0.4)
    first, state = run(layer, x[:2])
    second, _ = run(layer, x[2:], state)
    assert torch.cat([first, second]).flatten().tolist() == [0, 0, 1, 0, 1, 0, 0]  # 0.4, 0.8, 1.2 - 1, 0.6, 1.0 - 1


def test_gradients_reach_input_threshold_and_temperature_through_the_surrogate():
    layer = Stochastic(IF(surrogate=Sigmoid(alpha=1.0)), temperature=0.5, learn=("v_th", "temperature"))
    x = torch.zeros(1, 2000, 1, requires_grad=True)
    layer(x).mean().backward()
    assert set(dict(layer.named_parameters())) == {"v_th", "log_temperature"}
    # d mean / d v_th = -E[g'(v - threshold)], the input's with the other sign.
    assert layer.v_th.grad.item() == pytest.approx(-x.grad.sum().item(), rel=1e-5)
    assert layer.v_th.grad < -1e-3
    assert torch.isfinite(layer.log_temperature.grad)
    assert layer.log_temperature.grad != 0


def test_it_can_be_observed():
    layer = Stochastic(IF())
    with observe(layer) as seen:
        spikes = layer(torch.rand(5, 2, 3))
    assert torch.equal(seen[""].spikes_TB, spikes)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^Stochastic\.temperature: expected a number > 0, got 0\.0\.$"):
        Stochastic(IF(), temperature=0.0)
    with pytest.raises(ConfigError, match=r"^Stochastic: expected a neuron with a threshold v_th, got LeakyIntegrator"):
        Stochastic(LeakyIntegrator())
