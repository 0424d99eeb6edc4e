import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.train import Constant, Cosine, OneCycle, Steps


def curve(schedule, num):
    return np.array([schedule.factor(step, num) for step in range(num)])


def test_constant_is_constant():
    assert (curve(Constant(), 10) == 1).all()


def test_cosine_rises_in_a_line_then_falls_to_its_floor():
    x = curve(Cosine(warmup=0.1, floor=0.2), 100)
    np.testing.assert_allclose(x[:10], np.arange(1, 11) / 10)
    t = np.arange(90) / 90
    np.testing.assert_allclose(x[10:], 0.2 + 0.8 * 0.5 * (1 + np.cos(np.pi * t)), rtol=1e-12)


def test_cosine_without_rise_starts_at_one():
    assert Cosine(warmup=0.0).factor(0, 50) == 1.0


def test_cosine_may_rise_to_the_end():
    np.testing.assert_allclose(curve(Cosine(warmup=1.0), 4), [0.25, 0.5, 0.75, 1.0])


def test_steps_drop_at_their_shares():
    np.testing.assert_allclose(curve(Steps(at=(0.5, 0.75), by=0.1), 8), [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_one_cycle_goes_up_to_one_and_down():
    x = curve(OneCycle(peak=0.25, start=0.1, end=0.01), 100)
    t = np.arange(25) / 25
    np.testing.assert_allclose(x[:25], 0.1 + 0.9 * 0.5 * (1 - np.cos(np.pi * t)), rtol=1e-12)
    t = np.arange(75) / 75
    np.testing.assert_allclose(x[25:], 0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * t)), rtol=1e-12)
    assert x.argmax() == 25


def test_one_cycle_may_turn_at_either_end():
    assert OneCycle(peak=0.0).factor(0, 10) == 1.0
    assert OneCycle(peak=1.0).factor(9, 10) < 1.0


@pytest.mark.parametrize("kind", [Constant, Cosine, Steps, OneCycle])
@pytest.mark.parametrize("num", [1, 2, 7])
def test_every_factor_is_in_the_unit_interval_however_short_the_training(kind, num):
    x = curve(kind(), num)
    assert ((x >= 0) & (x <= 1)).all()


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"^Cosine\.warmup: expected a share in \[0, 1\], got 1\.5"):
        Cosine(warmup=1.5)
    with pytest.raises(ConfigError, match=r"^Cosine\.floor"):
        Cosine(floor=-1.0)
    with pytest.raises(ConfigError, match=r"^Steps\.at"):
        Steps(at=(0.5, 2.0))
    with pytest.raises(ConfigError, match=r"^Steps\.by: expected a factor > 0, got 0"):
        Steps(by=0)
    with pytest.raises(ConfigError, match=r"^OneCycle\.end"):
        OneCycle(end=float("nan"))
