import numpy as np
import pytest

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data import Events, Flip, NumWindows, TimeFlip


def recording():
    r = np.random.default_rng(0)
    columns = (np.sort(r.integers(7, 900, 100)), r.integers(0, 7, 100), r.integers(0, 5, 100), r.integers(0, 2, 100))
    return Events.of(*columns, size=(5, 7))


def same(a, b):
    for name in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize(("flip", "axes"), [(Flip(horizontal=1), [3]), (Flip(horizontal=0, vertical=1), [2])])
def test_a_flip_mirrors_the_frames_and_twice_gives_the_recording_back(flip, axes):
    once = flip(recording(), generator(0))
    np.testing.assert_array_equal(NumWindows(num=2)(once), NumWindows(num=2)(recording()).flip(axes))
    same(flip(once, generator(0)), recording())


def test_time_runs_backwards_and_twice_gives_the_recording_back():
    before = recording()
    once = TimeFlip(probability=1.0)(before, generator(0))
    np.testing.assert_array_equal(once.t, before.t[0] + before.t[-1] - before.t[::-1])
    np.testing.assert_array_equal(once.polarity, 1 - before.polarity[::-1])
    np.testing.assert_array_equal(NumWindows(num=1)(once), NumWindows(num=1)(before).flip(1))
    same(TimeFlip(probability=1.0)(once, generator(0)), before)


def test_about_half_are_flipped():
    mirrored = [Flip()(recording(), generator(0, k)).x[0] != recording().x[0] for k in range(200)]
    assert 70 < sum(mirrored) < 130


@pytest.mark.parametrize(
    "make", [lambda: Flip(horizontal=2), lambda: Flip(vertical=-1), lambda: TimeFlip(probability=2)]
)
def test_what_is_no_probability_is_refused(make):
    with pytest.raises(ConfigError, match=r"Flip\.\w+: expected a probability"):
        make()
