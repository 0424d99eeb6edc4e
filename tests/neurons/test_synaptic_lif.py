"""SynapticLIF against float64 loops written from the papers."""

import numpy as np
import pytest

from ranvier.core.reset import Subtract, ToValue
from ranvier.neurons import SynapticLIF

X = np.random.default_rng(2).uniform(0, 1, 200)


def test_the_form_of_neftci_with_the_reset_one_step_later(simulate):
    # I[n] = alpha I[n-1] + x, U[n] = beta U[n-1] + I[n] - S[n-1]
    alpha, beta, i, u, fired, spikes = 0.6, 0.8, 0.0, 0.0, 0.0, []
    for x in X * 0.4:
        i = alpha * i + x
        u = beta * u + i - fired
        fired = float(u > 1)
        spikes.append(fired)
    seen = simulate(SynapticLIF.like_snntorch(alpha=alpha, beta=beta), X * 0.4, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    assert 5 < sum(spikes) < 195
    assert seen.states["v"][-1, 0] == pytest.approx(u, abs=1e-12)
    assert seen.states["i"][-1, 0] == pytest.approx(i, abs=1e-12)


@pytest.mark.parametrize("order", ["synapse_first", "membrane_first"])
@pytest.mark.parametrize("hard", [True, False])
def test_the_euler_form_in_both_orders(order, hard, simulate):
    i, v, spikes = 0.0, -0.1, []
    for x in X:
        old, i = i, i * (1 - 1 / 5) + x
        v = v + 1 / 20 * (-0.1 - v + (i if order == "synapse_first" else old))
        spikes.append(float(v >= 1))
        v = (0.3 if hard else v - 1.0) if v >= 1 else v
    reset = ToValue(v_reset=0.3) if hard else Subtract()
    neuron = SynapticLIF(discretisation="euler", order=order, v_rest=-0.1, reset=reset)
    seen = simulate(neuron, X, dt=1.0)
    np.testing.assert_array_equal(seen.spikes[:, 0], spikes)
    assert 3 < sum(spikes) < 197


def test_the_current_of_one_jump_decays_with_its_time_constant(simulate):
    i = simulate(SynapticLIF(tau_syn=7.0), np.eye(1, 50)[0], dt=0.5).states["i"][:, 0]
    np.testing.assert_allclose(i, np.exp(-np.arange(50) * 0.5 / 7.0), atol=1e-12)
