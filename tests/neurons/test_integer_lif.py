"""IntegerLIF: whole numbers of spikes, and the window of its gradient."""

import numpy as np
import pytest
import torch

from ranvier.neurons import IntegerLIF


def test_it_follows_the_equations_of_the_paper(simulate):
    x = np.random.default_rng(6).normal(0.5, 2.0, 300)
    u, expected = 0.0, []
    for value in x:
        u = 0.25 * u + value
        s = np.round(np.clip(u, 0, 4))
        u -= s
        expected.append(s)
    seen = simulate(IntegerLIF(tau_m=4 / 3, discretisation="euler", levels=4), x, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], expected)
    assert set(expected) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_the_output_is_whole_to_the_last_bit(dtype):
    neuron = IntegerLIF(levels=7)
    x = torch.linspace(-2, 9, 5001, dtype=torch.float64).to(dtype)
    _, spikes = neuron.step(neuron.State(torch.zeros_like(x)), x, dt=1.0)
    assert torch.equal(spikes, torch.round(x.clamp(0, 7)))


def test_a_spike_stands_for_the_threshold(simulate):
    seen = simulate(IntegerLIF(v_th=0.5), [1.3], dt=1.0)
    assert seen.spikes[0, 0] == 3  # 2.6 rounds to 3
    np.testing.assert_allclose(seen.states["v"][0, 0], 1.3 - 1.5)


def test_the_gradient_passes_in_the_window_only():
    neuron = IntegerLIF(levels=4, v_th=2.0)
    x = torch.tensor([-1.0, 0.1, 3.0, 7.9, 8.1], dtype=torch.float64, requires_grad=True)
    _, spikes = neuron.step(neuron.State(torch.zeros(5, dtype=torch.float64)), x, dt=1.0)
    (grad,) = torch.autograd.grad(spikes.sum(), x)
    np.testing.assert_allclose(grad, [0, 0.5, 0.5, 0.5, 0])
