"""Meta: the quadratic membrane with a recovery, against a loop in plain Python."""

import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.neurons import Meta


@pytest.mark.parametrize("dt", [1.0, 0.3])
def test_it_does_what_its_two_equations_say(dt, simulate):
    drive = np.random.default_rng(2).uniform(-0.2, 1.2, 300)
    seen = simulate(Meta(), drive, dt=dt)
    v = u = 0.0
    fired = []
    for n, current in enumerate(drive):
        v, u = v + dt * (v * v - v - u + current), u + dt * (-0.172 * v - 0.529 * u)
        spike = v >= 0.5
        fired.append(spike)
        if spike:
            v, u = 0.021, u + 0.132
        assert seen.states["v"][n, 0] == pytest.approx(v, abs=1e-9)
        assert seen.states["u"][n, 0] == pytest.approx(u, abs=1e-9)
    np.testing.assert_array_equal(seen.spikes[:, 0], fired)
    assert 20 < sum(fired) < 280


def test_the_square_cannot_run_away(simulate):
    seen = simulate(Meta(v_th=10.0), np.full(50, -100.0), dt=1.0)
    assert seen.states["v"].min() >= -5.0
    assert np.isfinite(seen.states["u"]).all()


def test_a_soft_reset_is_refused():
    with pytest.raises(ConfigError, match=r"^Meta\.reset: expected ToValue, got Subtract\.$"):
        Meta(reset=Subtract())
