"""Tempotron: a weighted sum of double exponentials whose peak is 1."""

import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.neurons import Tempotron


def kernel(x, tau_m, tau_syn):
    """K of the paper, with its peak found on a fine grid."""
    grid = np.linspace(0, 10 * tau_m, 2_000_001)
    peak = (np.exp(-grid / tau_m) - np.exp(-grid / tau_syn)).max()
    return (np.exp(-x / tau_m) - np.exp(-x / tau_syn)) / peak


def test_the_constants_are_the_papers():
    neuron = Tempotron()
    assert neuron.v_0 == pytest.approx(2.1165, abs=5e-5)
    assert neuron.peak == pytest.approx(6.931, abs=5e-4)


@pytest.mark.parametrize(("tau_m", "tau_syn", "dt"), [(15.0, 3.75, 1.0), (20.0, 2.0, 0.25)])
def test_its_output_is_the_sum_of_kernels_of_past_spikes(tau_m, tau_syn, dt, simulate):
    drive = np.zeros(80)
    drive[[3, 10, 11, 50]] = [0.5, -1.0, 0.25, 2.0]
    seen = simulate(Tempotron(tau_m=tau_m, tau_syn=tau_syn), drive, dt=dt).spikes[:, 0]
    t = dt * np.arange(80)
    expected = sum(w * np.where(t >= t[i], kernel(t - t[i], tau_m, tau_syn), 0.0) for i, w in enumerate(drive) if w)
    np.testing.assert_allclose(seen, expected, atol=1e-9)
    assert np.abs(seen).max() > 0.5


def test_equal_time_constants_are_refused():
    with pytest.raises(ConfigError, match=r"^Tempotron\.tau_syn: expected another number than tau_m, got 15\.0\.$"):
        Tempotron(tau_syn=15.0)
