"""EIF: rheobase and the limit of a sharp upstroke."""

import numpy as np

from ranvier.core.reset import ToValue
from ranvier.neurons import EIF


def test_firing_starts_at_the_rheobase(simulate):
    # v' = 0 has no solution above I = v_t - v_rest - delta_t, where f(v) = -(v - v_rest) + delta_t exp(..) is lowest.
    rheobase = 65.0 - 59.9 - 3.48
    spikes = simulate(EIF(), np.tile([0.98 * rheobase, 1.5 * rheobase], (3000, 1)), dt=0.2).spikes.sum(0)
    assert spikes[0] == 0
    assert 2 < spikes[1] < 200


def test_a_sharp_upstroke_is_a_threshold(simulate):
    neuron = EIF(v_rest=0.0, v_t=1.0, delta_t=0.005, v_peak=1.1, reset=ToValue(v_reset=0.0))
    intervals = np.diff(simulate(neuron, np.full(6000, 2.0), dt=0.01).times(0.01))
    threshold = 1.0 + 0.005 * np.log(1.0 / 0.005)  # where the upstroke outweighs current and leak, 2 - 1
    np.testing.assert_allclose(intervals, 10 * np.log(2 / (2 - threshold)), rtol=0.01)


def test_it_rests_where_leak_and_upstroke_meet():
    v = EIF().rest().v
    np.testing.assert_allclose(v + 65, 3.48 * np.exp((v + 59.9) / 3.48), rtol=1e-12)
    assert v < -59.9
