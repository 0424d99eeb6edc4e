"""ALIF and SynapticALIF: the threshold climbs with the spikes."""

import numpy as np
import pytest

from ranvier.core.reset import Subtract
from ranvier.neurons import ALIF, SynapticALIF


def test_it_follows_the_equations_of_eprop(simulate):
    x = np.random.default_rng(3).uniform(0, 3, 500)
    alpha, rho, v, a, spikes = np.exp(-1 / 20), np.exp(-1 / 200), 0.0, 0.0, []
    for value in x:
        v = alpha * v + (1 - alpha) * value
        fired = float(v >= 1 + 0.3 * a)
        v, a = v - fired, rho * a + fired
        spikes.append(fired)
    seen = simulate(ALIF(beta=0.3), x, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    assert 5 < sum(spikes) < 250


def test_intervals_grow_towards_a_steady_state(simulate):
    times = simulate(ALIF(beta=0.1), np.full(20000, 4.0), dt=0.1).times(0.1)
    intervals = np.diff(times)
    assert (np.diff(intervals) >= -0.1 - 1e-9).all()  # never shorter by more than the grid of 0.1 ms
    assert intervals[-1] > 1.5 * intervals[0]
    assert intervals[-1] == pytest.approx(intervals[-20], abs=0.2)


def test_without_beta_nothing_adapts(simulate):
    intervals = np.diff(simulate(ALIF(beta=0.0), np.full(5000, 3.0), dt=0.1).times(0.1))
    assert len(intervals) > 10
    assert np.ptp(intervals[1:]) < 0.101


def test_the_synaptic_form_hears_its_input_one_step_later(simulate):
    x = np.random.default_rng(4).uniform(0, 1.5, 400)
    v = i = a = 0.0
    spikes = []
    for value in x:
        v = v + 1 / 20 * (i - v)
        a *= 1 - 1 / 200
        fired = float(v >= 1 + 0.3 * a)
        v, a, i = v - fired, a + fired, (1 - 1 / 5) * i + value
        spikes.append(fired)
    seen = simulate(SynapticALIF(beta=0.3, discretisation="euler", reset=Subtract()), x, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    assert 5 < sum(spikes) < 200
    assert seen.states["a"][-1, 0] == pytest.approx(a)
