"""ConductanceLIF: its equations, exact decay of conductances, and the creeping threshold."""

import math

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.neurons import ConductanceLIF


def twin(jumps, *, dt, t_ref=5.0, t_mute=0.0, theta_plus=0.05, tau_theta=1e7, tau_e=1.0, tau_i=2.0):
    """One neuron in plain Python, written from the manual page."""
    v, g_e, g_i, theta, left = -65.0, 0.0, 0.0, 0.0, 0.0
    spikes, potentials = [], []
    for jump in jumps:
        g_e, g_i = g_e + max(jump, 0.0), g_i + max(-jump, 0.0)
        m_e = g_e * (1 - math.exp(-dt / tau_e)) * tau_e / dt
        m_i = g_i * (1 - math.exp(-dt / tau_i)) * tau_i / dt
        v_inf = (-65.0 - 100.0 * m_i) / (1 + m_e + m_i)
        if left <= t_mute + dt / 2:
            v = v_inf + (v - v_inf) * math.exp(-(1 + m_e + m_i) * dt / 100.0)
        theta *= math.exp(-dt / tau_theta)
        fires = left <= dt / 2 and v >= -52.0 + theta
        left = t_ref + t_mute if fires else max(left - dt, 0.0)
        if fires:
            v, theta = -65.0, theta + theta_plus
        g_e, g_i = g_e * math.exp(-dt / tau_e), g_i * math.exp(-dt / tau_i)
        spikes.append(fires)
        potentials.append(v)
    return np.array(spikes, float), np.array(potentials)


@pytest.mark.parametrize("options", [{}, {"t_mute": 20.0}, {"theta_plus": 2.0, "tau_theta": 50.0}, {"tau_i": 0.5}])
@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_spikes_and_potential_are_those_of_the_equations(simulate, options, dt):
    random = np.random.default_rng(1)
    jumps = random.uniform(-2, 6, round(600 / dt)) * (random.random(round(600 / dt)) < 0.4 * dt)
    spikes, potentials = twin(jumps, dt=dt, **options)
    seen = simulate(ConductanceLIF(**options), jumps, dt=dt)
    assert 3 < spikes.sum() < 200
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    np.testing.assert_allclose(seen.states["v"][:, 0], potentials, atol=1e-9)


def test_a_small_step_agrees_with_the_differential_equation(simulate):
    # One spike below threshold, against Euler's method with steps of 1/200 ms.
    seen = simulate(ConductanceLIF(), [2.0] + [0.0] * 19, dt=1.0).states["v"][-1, 0]
    v, g, dt = -65.0, 2.0, 0.005
    for _ in range(round(20 / dt)):
        v, g = v + dt / 100.0 * (-65.0 - v - g * v), g * (1 - dt)
    assert abs(seen - v) < 0.01
    assert v > -64.5


def test_conductances_decay_exactly_at_any_step(simulate):
    for dt in (0.1, 0.5, 1.0):
        steps = round(2.0 / dt)
        state = simulate(ConductanceLIF(tau_i=0.5), [3.0] + [0.0] * (steps - 1), dt=dt).states
        np.testing.assert_allclose(state["g_e"][-1, 0], 3.0 * math.exp(-2.0), rtol=1e-12)
        state = simulate(ConductanceLIF(tau_i=0.5), [-3.0] + [0.0] * (steps - 1), dt=dt).states
        np.testing.assert_allclose(state["g_i"][-1, 0], 3.0 * math.exp(-4.0), rtol=1e-12)


def test_the_mute_time_lets_the_potential_pass_the_threshold_without_a_spike(simulate):
    seen = simulate(ConductanceLIF(t_mute=45.0), np.full(200, 3.0), dt=1.0)
    times = np.flatnonzero(seen.spikes[:, 0])
    assert set(np.diff(times)) == {51}  # 50 ms and one step, as the potential is above threshold by then
    assert seen.states["v"][times[1] - 1, 0] > -52.0


def test_each_spike_raises_the_threshold(simulate):
    seen = simulate(ConductanceLIF(theta_plus=1.0), np.full(400, 1.0), dt=1.0)
    count = seen.spikes.sum()
    assert count > 3
    assert seen.states["theta"][-1, 0] == pytest.approx(count, rel=1e-4)
    assert (np.diff(np.flatnonzero(seen.spikes[:, 0])) > 0).all()
    gaps = np.diff(np.flatnonzero(seen.spikes[:, 0]))
    assert gaps[-1] > gaps[0]


def test_inhibition_added_to_the_state_acts_like_a_negative_input():
    neuron = ConductanceLIF()
    rest = neuron.State(*(torch.full((1,), float(x), dtype=torch.float64) for x in neuron.rest()))
    zero = torch.zeros(1, dtype=torch.float64)
    by_state, _ = neuron.step(rest._replace(g_i=rest.g_i + 2.0), zero, dt=1.0)
    by_input, _ = neuron.step(rest, zero - 2.0, dt=1.0)
    for a, b in zip(by_state, by_input, strict=True):
        assert torch.equal(a, b)


def test_constants_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"^ConductanceLIF\.tau_e: expected a number > 0 ms, got 0\.0\."):
        ConductanceLIF(tau_e=0.0)
    with pytest.raises(ConfigError, match=r"^ConductanceLIF\.t_mute: expected a number >= 0, got -1\.0\."):
        ConductanceLIF(t_mute=-1.0)
