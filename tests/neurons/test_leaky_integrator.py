"""LeakyIntegrator: an exponential filter whose output is its state."""

import numpy as np
import pytest

from ranvier.neurons import LeakyIntegrator


@pytest.mark.parametrize("decay_input", [True, False])
def test_it_is_an_exponential_filter(decay_input, simulate):
    x = np.random.default_rng(5).normal(size=100)
    d = np.exp(-1 / 20)
    kernel = d ** np.arange(100) * ((1 - d) if decay_input else 1)
    seen = simulate(LeakyIntegrator(decay_input=decay_input), x, dt=1.0)
    np.testing.assert_allclose(seen.states["v"][:, 0], np.convolve(x, kernel)[:100], atol=1e-12)
    np.testing.assert_array_equal(seen.spikes, seen.states["v"])


def test_euler_and_resting_potential(simulate):
    v = simulate(LeakyIntegrator(tau_m=4.0, v_rest=2.0, discretisation="euler"), [1.0, 0.0], dt=1.0).states["v"][:, 0]
    np.testing.assert_allclose(v, [2.25, 2.1875])


def test_a_potential_above_any_threshold_stays(simulate):
    seen = simulate(LeakyIntegrator(), np.full(500, 1e6), dt=1.0)
    assert seen.states["v"][-1, 0] > 9e5
