"""RefractoryLIF: firing period with a dead time."""

import numpy as np
import pytest
import torch

from ranvier.neurons import RefractoryLIF


def test_the_period_under_a_constant_current_is_that_of_the_closed_form(simulate):
    times = simulate(RefractoryLIF(tau_m=20.0, v_th=1.0, t_ref=2.0), np.full(20000, 1.5), dt=0.01).times(0.01)
    assert len(times) > 5
    np.testing.assert_allclose(np.diff(times), 2 + 20 * np.log(1.5 / 0.5), atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("t_ref", "dt"), [(2.0, 0.1), (2.0, 1.0), (5.0, 0.01), (0.3, 0.1), (0.0, 0.1), (1.04, 0.1)])
def test_the_dead_time_is_its_rounded_number_of_steps(t_ref, dt, dtype, simulate):
    # An input that fires at once: the interval is the dead time and one step.
    neuron = RefractoryLIF(t_ref=t_ref, decay_input=False)
    fired = np.flatnonzero(simulate(neuron, np.full(2500, 1.5), dt=dt, dtype=dtype).spikes[:, 0])
    assert len(fired) > 2
    np.testing.assert_array_equal(np.diff(fired), round(t_ref / dt) + 1)


def test_input_in_the_dead_time_is_lost(simulate):
    seen = simulate(RefractoryLIF(t_ref=3.0, decay_input=False), [1.5, 0.9, 0.9, 0.9, 0.4], dt=1.0)
    np.testing.assert_allclose(seen.states["v"][:, 0], [0, 0, 0, 0, 0.4])
    np.testing.assert_allclose(seen.states["t_left"][:, 0], [3, 2, 1, 0, 0])


def test_a_long_dead_time_limits_the_rate(simulate):
    spikes = simulate(RefractoryLIF(t_ref=10.0), np.full(1000, 1e4), dt=1.0).spikes
    assert spikes.sum() == 91  # every 11th step
