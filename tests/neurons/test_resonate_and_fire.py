"""ResonateAndFire and its balanced form: rotation, resonance, divergence boundary."""

import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.neurons import BalancedResonateAndFire, ResonateAndFire

SILENT = ResonateAndFire(v_th=1e9)


@pytest.mark.parametrize("dt", [0.1, 1.0, 4.0])
def test_it_rotates_and_shrinks_exactly_whatever_the_step(dt, simulate):
    t = np.arange(1, 101) * dt
    seen = simulate(SILENT, np.zeros(100), dt=dt, state=(1.0, 0.5))
    z = (1 + 0.5j) * np.exp((-1 / 50 + 2j * np.pi * 0.02) * t)
    np.testing.assert_allclose(seen.states["u"][:, 0] + 1j * seen.states["v"][:, 0], z, atol=1e-12)


@pytest.mark.parametrize("dt", [0.1, 1.0, 4.0])
def test_a_constant_current_is_integrated_exactly(dt, simulate):
    t, pole = np.arange(1, 101) * dt, -1 / 50 + 2j * np.pi * 0.02
    seen = simulate(SILENT, np.full(100, 0.3), dt=dt)
    z = 0.3 * (np.exp(pole * t) - 1) / pole
    np.testing.assert_allclose(seen.states["u"][:, 0] + 1j * seen.states["v"][:, 0], z, atol=1e-12)


def test_the_response_is_largest_at_the_natural_frequency(simulate):
    frequency, t = np.arange(5, 61, 2.5), np.arange(3000)[:, None] * 0.5
    v = simulate(SILENT, np.sin(2 * np.pi * frequency / 1000 * t), dt=0.5).states["v"][-1000:]
    assert frequency[np.abs(v).max(0).argmax()] == 20.0


def test_it_prefers_doublets_at_its_own_period(simulate):
    intervals = np.array([20, 25, 37, 50, 75])  # ms; the natural period is 50
    jumps = np.zeros((150, 5))
    jumps[10] = 1.0
    jumps[10 + intervals, np.arange(5)] = 1.0
    fired = simulate(ResonateAndFire(decay_input=False, v_th=0.9), jumps, dt=1.0).spikes.sum(0)
    np.testing.assert_array_equal(fired > 0, [False, False, False, True, False])


def test_a_spike_puts_the_oscillator_on_the_imaginary_axis(simulate):
    seen = simulate(ResonateAndFire(), [0.0], dt=1.0, state=(3.0, 2.0))
    assert (seen.spikes[0, 0], seen.states["u"][0, 0], seen.states["v"][0, 0]) == (1, 0, 1)


def test_without_offset_the_balanced_form_sits_on_the_divergence_boundary(simulate):
    neuron = BalancedResonateAndFire(b_offset=0.0, v_th=1e9)
    seen = simulate(neuron, np.zeros(2000), dt=1.0, state=(1.0, 0.0, 0.0))
    np.testing.assert_allclose(np.hypot(seen.states["u"], seen.states["v"]), 1.0, atol=1e-9)
    damped = simulate(neuron.replace(b_offset=0.01), np.zeros(200), dt=1.0, state=(1.0, 0.0, 0.0))
    assert np.hypot(damped.states["u"], damped.states["v"])[-1, 0] < 0.2


def test_the_balanced_form_follows_its_equations(simulate):
    x, w, u, v, q, fired = np.random.default_rng(9).normal(0, 0.4, 500), 2 * np.pi * 0.01, 0.0, 0.0, 0.0, []
    for current in x:
        b = np.sqrt(1 - w * w) - 1 - 0.01 - 0.01 * q
        u, v = u + b * u - w * v + current, v + w * u + b * v
        s = float(u >= 1 + q)
        q = 0.9 * q + s
        fired.append(s)
    np.testing.assert_array_equal(simulate(BalancedResonateAndFire(), x, dt=1.0).spikes[:, 0], fired)
    assert 5 < sum(fired) < 250


def test_a_step_beyond_the_boundary_is_refused(simulate):
    expected = r"^BalancedResonateAndFire\.step: expected dt <= 15\.9155 ms \(omega dt <= 1\), got dt = 20 ms\. Take"
    with pytest.raises(ConfigError, match=expected):
        simulate(BalancedResonateAndFire(), [0.0], dt=20.0)
