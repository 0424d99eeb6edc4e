"""QIF against its closed solutions tan and tanh."""

import numpy as np

from ranvier.core.reset import ToValue
from ranvier.neurons import QIF

CANONICAL = QIF(tau_m=1.0, a_0=1.0, v_rest=0.0, v_c=0.0, v_peak=1e3, reset=ToValue(v_reset=-1e3))


def test_the_rate_is_the_root_of_the_current_over_pi(simulate):
    # Euler needs dt |v| << 1, hence the near peak; the time from -p to p is 2 atan(p / root I) / root I.
    neuron = CANONICAL.replace(v_peak=50.0, reset=ToValue(v_reset=-50.0))
    current = np.array([0.5, 1.0, 4.0])
    seen = simulate(neuron, np.tile(current, (5000, 1)), dt=0.002)
    for n, drive in enumerate(current):
        root = np.sqrt(drive)
        np.testing.assert_allclose(np.diff(seen.times(0.002, n)), 2 * np.arctan(50 / root) / root, rtol=0.02)
        assert len(seen.times(0.002, n)) > 1


def test_below_zero_current_it_relaxes_as_a_tanh(simulate):
    t = np.arange(1, 4001) * 0.001
    v = simulate(CANONICAL, np.full(4000, -1.0), dt=0.001, state=(0.0,)).states["v"][:, 0]
    np.testing.assert_allclose(v, -np.tanh(t), atol=1e-3)


def test_firing_starts_at_the_rheobase(simulate):
    rheobase = 0.04 * 15**2 / 4
    spikes = simulate(QIF(), np.tile([0.98 * rheobase, 2.0 * rheobase], (3000, 1)), dt=0.2).spikes.sum(0)
    assert spikes[0] == 0
    assert 2 < spikes[1] < 200
