import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import Affine, Events


def recording(num=2000, size=(34, 34)):
    r = np.random.default_rng(0)
    middle = [r.integers(10, 24, num) for _ in range(2)]
    return Events.of(np.arange(num), *middle, r.integers(0, 2, num), size=size)


def test_a_shift_moves_every_event_alike_and_reaches_each_whole_pixel():
    before, seen = recording(), set()
    for k in range(200):
        after = Affine(shift=2)(before, generator(0, k))
        dx, dy = after.x - before.x, after.y - before.y
        assert len(set(dx.tolist())) == len(set(dy.tolist())) == 1
        seen.add((int(dx[0]), int(dy[0])))
    assert seen == {(a, b) for a in range(-2, 3) for b in range(-2, 3)}


def test_events_that_leave_the_sensor_are_dropped():
    before = Events.of([0, 1], [0, 33], [5, 5], [0, 1], size=(34, 34))
    lengths = set()
    for k in range(50):
        after = Affine(shift=4)(before, generator(0, k))
        assert ((after.x >= 0) & (after.x < 34)).all()
        lengths.add(len(after))
    assert 1 in lengths


def test_a_turn_keeps_the_distance_from_the_middle():
    before = recording()
    for k in range(5):
        after = Affine(angle=30)(before, generator(0, k))
        radius = [np.hypot(e.x - 16.5, e.y - 16.5) for e in (before, after)]
        np.testing.assert_allclose(radius[0], radius[1], atol=np.sqrt(0.5))  # half a pixel along each axis


def test_a_turn_of_nothing_changes_nothing():
    before = recording()
    after = Affine()(before, generator(0))
    np.testing.assert_array_equal(after.x, before.x)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Affine(shift=-1), r"Affine.shift: expected an amount >= 0, got -1"),
        (lambda: Affine(scale=1.0), r"Affine.scale: expected an amount >= 0 and < 1"),
    ],
)
def test_senseless_amounts_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
