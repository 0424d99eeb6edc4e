import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import Events, TimeJitter


def recording(num=5000):
    """Each event has a pixel of its own, by which it is known again."""
    return Events.of(1000 * np.arange(num), np.arange(num), np.zeros(num, int), np.arange(num) % 2, size=(1, num))


def test_times_move_by_a_normal_amount_and_no_event_is_lost():
    before = recording()
    after = TimeJitter(std="3 ms")(before, generator(0))
    assert (np.diff(after.t) >= 0).all()
    np.testing.assert_array_equal(np.sort(after.x), before.x)
    np.testing.assert_array_equal(after.polarity, after.x % 2)
    moved = (after.t - 1000 * after.x.astype(int))[100:-100]
    assert moved.std() == pytest.approx(3000, rel=0.05)
    assert abs(moved.mean()) < 4 * 3000 / np.sqrt(5000)
    assert after.t[0] >= 0
    assert after.t[-1] <= before.t[-1]


def test_no_jitter_changes_nothing():
    after = TimeJitter(std=0.0)(recording(), generator(0))
    np.testing.assert_array_equal(after.t, recording().t)
    np.testing.assert_array_equal(after.x, recording().x)
    with pytest.raises(ConfigError, match="TimeJitter.std: expected a time >= 0, got -1"):
        TimeJitter(std=-1)
