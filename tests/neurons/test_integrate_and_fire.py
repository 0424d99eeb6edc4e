"""IF: a perfect integrator."""

import numpy as np

from ranvier.core.reset import ToValue
from ranvier.neurons import IF


def test_the_number_of_spikes_is_the_charge_over_the_threshold(simulate):
    current = np.array([0.0, 0.03, 0.37, 0.5, 0.999])
    spikes = simulate(IF(v_th=1.0), np.tile(current, (1000, 1)), dt=1.0).spikes.sum(0)
    np.testing.assert_allclose(spikes, np.floor(current * 1000 + 1e-9), atol=1)
    assert spikes[3] == 500


def test_potential_and_spikes_account_for_all_charge(simulate):
    current = np.random.default_rng(0).uniform(-0.5, 0.9, 400)
    seen = simulate(IF(), current, dt=1.0)
    np.testing.assert_allclose(seen.states["v"][:, 0] + np.cumsum(seen.spikes[:, 0]), np.cumsum(current), atol=1e-12)
    assert 10 < seen.spikes.sum() < 390


def test_a_hard_reset_forgets_the_excess(simulate):
    v = simulate(IF(reset=ToValue(v_reset=-0.5)), [0.7, 0.7, 0.7], dt=1.0).states["v"][:, 0]
    np.testing.assert_allclose(v, [0.7, -0.5, 0.2])


def test_the_step_length_does_not_matter(simulate):
    a, b = (simulate(IF(), np.full(50, 0.3), dt=dt).spikes for dt in (1.0, 0.1))
    np.testing.assert_array_equal(a, b)
