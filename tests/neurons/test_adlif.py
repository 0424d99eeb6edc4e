"""AdLIF: the adaptation current against linear algebra, and what it does to spikes."""

import numpy as np

from ranvier.neurons import AdLIF


def test_below_threshold_it_is_a_linear_map(simulate):
    d, p, a = np.exp(-1 / 20), np.exp(-1 / 100), 3.0
    step = np.array([[d, -(1 - d)], [(1 - p) * a, p]])
    seen = simulate(AdLIF(a=a, v_th=100.0), np.zeros(300), dt=1.0, state=(1.0, -0.5))
    expected = np.array([np.linalg.matrix_power(step, n) @ [1.0, -0.5] for n in range(1, 301)])
    np.testing.assert_allclose(seen.states["v"][:, 0], expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(seen.states["w"][:, 0], expected[:, 1], atol=1e-12)
    assert np.abs(np.linalg.eigvals(step).imag).max() > 0  # it rings
    assert (expected[:, 0] < 0).any()


def test_a_constant_current_settles_where_the_two_equations_meet(simulate):
    v = simulate(AdLIF(a=3.0, v_th=100.0), np.full(3000, 2.0), dt=1.0).states["v"][-1, 0]
    np.testing.assert_allclose(v, 2.0 / (1 + 3.0), atol=1e-9)  # v = I - w, w = a v


def test_the_jump_slows_the_firing_down(simulate):
    def intervals(b):
        return np.diff(simulate(AdLIF(a=0.0, b=b), np.full(6000, 3.0), dt=0.1).times(0.1))

    assert np.ptp(intervals(0.0)[1:]) < 0.101
    adapted = intervals(0.2)
    assert len(adapted) > 5
    assert adapted[-1] > 1.3 * adapted[0]
