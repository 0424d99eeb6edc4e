"""PscExpLIF against the closed form of the postsynaptic potential."""

import numpy as np
import pytest
import torch

from ranvier.neurons import PscExpLIF


def psp(t, tau_m=10.0, tau_s=2.0, c=250.0, weight=100.0):
    return weight / c / (1 / tau_s - 1 / tau_m) * (np.exp(-t / tau_m) - np.exp(-t / tau_s))


@pytest.mark.parametrize("dt", [0.1, 1.0, 2.5])
def test_the_postsynaptic_potential_is_exact_whatever_the_step(dt, simulate):
    steps = round(50 / dt)
    v = simulate(PscExpLIF(), 100.0 * np.eye(1, steps)[0], dt=dt).states["v"][:, 0]
    np.testing.assert_allclose(v + 70, psp(np.arange(steps) * dt), atol=1e-12)


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-9, 1e-6, -1e-6])
@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_equal_time_constants_are_no_singularity(off, kind, simulate):
    t = np.arange(300) * 0.1
    neuron = PscExpLIF(tau_syn=kind(10.0 * (1 + off)) if kind is float else kind(10.0 * (1 + off), dtype=torch.float64))
    v = simulate(neuron, 100.0 * np.eye(1, 300)[0], dt=0.1).states["v"][:, 0]
    np.testing.assert_allclose(v + 70, 100 / 250 * t * np.exp(-t / 10), atol=1e-5 * abs(off) * 1e6 + 1e-11)


def test_the_period_under_a_constant_current_is_that_of_the_closed_form(simulate):
    neuron = PscExpLIF(i_e=500.0)  # 20 mV above rest
    times = simulate(neuron, np.zeros(4000), dt=0.05).times(0.05)
    assert len(times) > 5
    np.testing.assert_allclose(np.diff(times), 2 + 10 * np.log(20 / 5), atol=0.051)


def test_the_postsynaptic_current_goes_on_in_the_dead_time(simulate):
    kick = np.zeros(60)
    kick[0] = 5000.0
    seen = simulate(PscExpLIF(t_ref=4.0), kick, dt=0.1)
    fired = np.flatnonzero(seen.spikes[:, 0])
    assert len(fired) >= 1
    held = slice(fired[0], fired[0] + 41)
    np.testing.assert_array_equal(seen.states["v"][held, 0], -70.0)
    np.testing.assert_allclose(seen.states["i"][:, 0], 5000 * np.exp(-np.arange(60) * 0.1 / 2.0), rtol=1e-12)
