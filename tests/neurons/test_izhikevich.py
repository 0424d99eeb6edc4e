"""Izhikevich 2003 and 2007: the firing patterns of the papers."""

import numpy as np
import pytest

from ranvier.neurons import Izhikevich, Izhikevich2007


def published_program(a, b, c, d, current, steps):
    """The loop of the paper's figure 2 program for one neuron (1 ms, v in two half steps), v cut at its peak."""
    v, u, fired = -70.0, b * -70.0, []
    for _ in range(steps):
        for half in range(2):
            v = min(v, 30.0) if half else v
            v += 0.5 * (0.04 * v * v + 5 * v + 140 - u + current)
        u += a * (b * min(v, 30.0) - u)
        fired.append(v >= 30)
        if v >= 30:
            v, u = c, u + d
    return np.array(fired)


CELLS = {
    "regular": (0.02, 0.2, -65.0, 8.0), "fast": (0.1, 0.2, -65.0, 2.0), "chattering": (0.02, 0.2, -50.0, 2.0),
    "bursting": (0.02, 0.2, -55.0, 4.0),
}  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_it_is_the_published_program(cell, simulate):
    seen = simulate(Izhikevich.of(*CELLS[cell]), np.full(800, 10.0), dt=1.0, state=(-70.0, -14.0))
    expected = published_program(*CELLS[cell], 10.0, 800)
    np.testing.assert_array_equal(seen.spikes[:, 0], expected)
    assert 5 < expected.sum() < 300


def test_the_regular_cell_adapts_to_its_published_rate(simulate):
    times = simulate(Izhikevich(), np.full(1000, 10.0), dt=1.0).times(1.0)
    intervals = np.diff(times)
    assert intervals[0] < intervals[-1]
    assert 20 <= 1000 / intervals[-1] <= 25  # Hz


def test_cells_differ_as_their_names_say(simulate):
    spikes = {c: simulate(Izhikevich.of(*CELLS[c]), np.full(1000, 10.0), dt=1.0) for c in CELLS}
    assert spikes["fast"].spikes.sum() > 2 * spikes["regular"].spikes.sum()
    chatter = np.diff(spikes["chattering"].times(1.0))
    assert chatter.max() > 4 * chatter.min()


def test_it_rests_at_the_zero_of_its_equations():
    assert Izhikevich().rest() == pytest.approx((-70.0, -14.0))
    assert np.isfinite(Izhikevich(b=0.3).rest()).all()  # no zero: the lowest point of the parabola


def test_the_cell_of_2007_starts_firing_between_50_and_60_pa(simulate):
    # Rheobase of figure 8.12's cell: with u at its rest b (v - v_r), k (v - v_r) (v - v_t) - b (v - v_r) + I has no
    # zero above I = (v_t - v_r + b / k)^2 k / 4 = 51.4 pA.
    rheobase = 0.7 / 4 * (20 - 2 / 0.7) ** 2
    spikes = simulate(Izhikevich2007(), np.tile([0.97 * rheobase, 1.2 * rheobase], (6000, 1)), dt=0.2).spikes.sum(0)
    assert spikes[0] == 0
    assert 3 < spikes[1] < 100


def test_the_cell_of_2007_follows_its_equations(simulate):
    v, u, fired = -60.0, 0.0, []
    x = np.random.default_rng(8).uniform(0, 300, 2000)
    for current in x:
        dv, du = (0.7 * (v + 60) * (v + 40) - u + current) / 100, 0.03 * (-2 * (v + 60) - u)
        v, u = v + 0.2 * dv, u + 0.2 * du
        fired.append(v >= 35)
        v, u = (-50.0, u + 100) if v >= 35 else (v, u)
    np.testing.assert_array_equal(simulate(Izhikevich2007(), x, dt=0.2).spikes[:, 0], fired)
    assert 3 < sum(fired) < 200
