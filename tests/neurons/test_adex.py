"""AdEx: sub-threshold resistance, adaptation, and the order of its Euler steps."""

import numpy as np
import pytest

from ranvier.core.reset import ToValue
from ranvier.neurons import AdEx


def test_it_follows_the_equations_of_the_paper_by_euler(simulate):
    v, w, spikes, states = -70.6, 0.0, [], []
    x = np.random.default_rng(7).uniform(0, 2500, 1500)
    for current in x:
        dv = (-30 * (v + 70.6) + 60 * np.exp(min((v + 50.4) / 2, 20)) - w + current) / 281
        v, w = v + 0.1 * dv, w + 0.1 * (4 * (v + 70.6) - w) / 144
        fired = v >= 0
        v, w = (-70.6, w + 80.5) if fired else (v, w)
        spikes.append(fired)
        states.append((v, w))
    seen = simulate(AdEx(), x, dt=0.1, state=(-70.6, 0.0))
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    np.testing.assert_allclose(np.stack([seen.states["v"], seen.states["w"]])[:, :, 0].T, states, rtol=1e-9)
    assert 3 < sum(spikes) < 200


def test_a_weak_current_meets_leak_and_adaptation_in_parallel(simulate):
    v = simulate(AdEx(), np.full(5000, 100.0), dt=0.2).states["v"][-1, 0]
    assert v == pytest.approx(-70.6 + 100 / (30 + 4), abs=1e-3)


def test_spikes_come_ever_more_slowly(simulate):
    intervals = np.diff(simulate(AdEx(), np.full(3000, 1000.0), dt=0.1).times(0.1))
    assert len(intervals) > 4
    assert intervals[-1] > 1.5 * intervals[0]
    unadapted = np.diff(simulate(AdEx(a=0.0, b=0.0), np.full(2000, 1000.0), dt=0.1).times(0.1))
    assert np.ptp(unadapted) < 0.101


def test_a_high_reset_makes_bursts(simulate):
    # Naud et al. 2008, Biol. Cybern. 99:335, table 1, regular bursting.
    neuron = AdEx(
        c_m=200.0, g_l=10.0, v_rest=-58.0, v_t=-50.0, tau_w=120.0, a=2.0, b=100.0, reset=ToValue(v_reset=-46.0)
    )
    intervals = np.diff(simulate(neuron, np.full(4000, 210.0), dt=0.1).times(0.1))
    assert intervals.max() > 5 * intervals.min()
    assert len(intervals) > 5
