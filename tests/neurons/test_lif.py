"""LIF against closed forms, the sheet's golden traces, and hand calculation."""

import numpy as np
import pytest

from ranvier.core.reset import NoReset, Subtract, ToValue
from ranvier.neurons import LIF

X = [0.5, 0.8, 0.0, 2.0]
HARD, SOFT = ToValue(), Subtract()
# (neuron, potential before the reset, spikes) for the input X, tau = 2, v_th = 1: charges (a), (b) and (c).
GOLDEN = {
    "decayed input, hard": (
        LIF(tau_m=2.0, discretisation="euler", reset=HARD), [0.25, 0.525, 0.2625, 1.13125], [0, 0, 0, 1],
    ),
    "undecayed input, hard": (
        LIF(tau_m=2.0, discretisation="euler", decay_input=False, reset=HARD), [0.5, 1.05, 0.0, 2.0], [0, 1, 0, 1],
    ),
    "undecayed input, soft": (
        LIF(tau_m=2.0, discretisation="euler", decay_input=False, reset=SOFT), [0.5, 1.05, 0.025, 2.0125], [0, 1, 0, 1],
    ),
    "decay 0.25, >=": (
        LIF(tau_m=4 / 3, discretisation="euler", decay_input=False, v_th=0.5, reset=HARD), [0.5, 0.8, 0.0, 2.0],
        [1, 1, 0, 1],
    ),
    "decay 0.25, >": (
        LIF(tau_m=4 / 3, discretisation="euler", decay_input=False, v_th=0.5, reset=HARD, strict=True),
        [0.5, 0.925, 0.0, 2.0], [0, 1, 0, 1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_traces(name, simulate):
    neuron, before_reset, spikes = GOLDEN[name]
    seen = simulate(neuron, X, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    fired = np.array(spikes)
    after = np.array(before_reset) * (1 - fired) if neuron.reset == HARD else before_reset - fired * 1.0
    np.testing.assert_allclose(seen.states["v"][:, 0], after, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in GOLDEN if "soft" not in name])
def test_a_hard_reset_before_the_leak_gives_the_same_spikes_and_shows_the_crossing(name, simulate):
    neuron, before_reset, spikes = GOLDEN[name]
    seen = simulate(neuron.replace(reset_at="before_leak"), X, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    np.testing.assert_allclose(seen.states["v"][:, 0], before_reset, atol=1e-12)


def test_a_reset_after_the_leak_takes_the_threshold_from_the_decayed_potential(simulate):
    # beta = 0.5, by hand: 1.5 fires; 0.75 - 1 = -0.25; -0.125; -0.0625 + 2 fires; 0.96875 - 1 = -0.03125
    neuron = LIF(tau_m=2.0, discretisation="euler", decay_input=False, reset_at="after_leak")
    seen = simulate(neuron, [1.5, 0, 0, 2, 0], dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], [1, 0, 0, 1, 0])
    np.testing.assert_allclose(seen.states["v"][:, 0], [1.5, -0.25, -0.125, 1.9375, -0.03125], atol=1e-12)


@pytest.mark.parametrize("dt", [1.0, 0.5, 0.1])
def test_the_exact_membrane_follows_the_closed_form_whatever_the_step(dt, simulate):
    t = np.arange(1, round(60 / dt) + 1) * dt
    seen = simulate(LIF(tau_m=20.0, v_th=10.0, v_rest=-1.0), np.full(t.size, 3.0), dt=dt)
    np.testing.assert_allclose(seen.states["v"][:, 0], -1 + 3 * (1 - np.exp(-t / 20)), atol=1e-12)
    assert seen.spikes.sum() == 0


def test_the_euler_error_falls_in_proportion_to_the_step(simulate):
    def error(dt):
        t = np.arange(1, round(40 / dt) + 1) * dt
        v = simulate(LIF(v_th=10.0, discretisation="euler"), np.full(t.size, 3.0), dt=dt).states["v"][:, 0]
        return np.abs(v - 3 * (1 - np.exp(-t / 20))).max()

    assert error(1.0) / error(0.5) == pytest.approx(2, rel=0.05)


def test_the_period_under_a_constant_current_is_that_of_the_closed_form(simulate):
    current = np.array([1.1, 1.5, 2.0, 4.0])
    seen = simulate(LIF(reset=ToValue()), np.tile(current, (4000, 1)), dt=0.05)
    for n, drive in enumerate(current):
        intervals = np.diff(seen.times(0.05, n))
        assert len(intervals) > 2
        expected = 20 * np.log(drive / (drive - 1))  # a spike is seen at the first step after the crossing
        assert (intervals >= expected - 1e-9).all()
        assert (intervals <= expected + 0.05 + 1e-9).all()


def test_a_soft_reset_keeps_the_rate_of_a_strong_drive(simulate):
    # Between spikes the mean of v' is 0, so v_th rate = (current - mean v) / tau; mean v lies between 0 and 1.
    rate = simulate(LIF(tau_m=20.0), np.full(4000, 5.0), dt=0.1).spikes.sum() / 400
    assert (5.0 - 1.0) / 20 <= rate <= 5.0 / 20


def test_without_reset_it_fires_at_every_step_above_the_threshold(simulate):
    seen = simulate(LIF(reset=NoReset()), np.full(200, 2.0), dt=1.0)
    first = int(np.ceil(20 * np.log(2)))  # v = 2 (1 - exp(-t / 20)) reaches 1 at t = 20 ln 2
    np.testing.assert_array_equal(seen.spikes[:, 0], np.arange(1, 201) >= first)


def test_reaching_the_threshold_is_enough_unless_strict(simulate):
    for strict, expected in ((False, 1), (True, 0)):
        neuron = LIF(tau_m=2.0, discretisation="euler", decay_input=False, strict=strict)
        assert simulate(neuron, [1.0], dt=1.0).spikes.sum() == expected


def test_an_unreset_potential_decays_to_the_resting_potential(simulate):
    v = simulate(LIF(v_rest=-65.0, v_th=-50.0), np.zeros(2000), dt=1.0, state=(-52.0,)).states["v"][:, 0]
    np.testing.assert_allclose(v, -65 + 13 * np.exp(-np.arange(1, 2001) / 20), atol=1e-10)
