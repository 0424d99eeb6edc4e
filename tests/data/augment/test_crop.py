import numpy as np
import pytest

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data import Crop, Events, NumWindows


def recording():
    y, x = np.indices((5, 7)).reshape(2, -1)
    return Events.of(np.arange(35), x, y, np.ones(35, int), size=(5, 7))


def test_every_window_is_cut_and_each_is_a_part_of_the_picture():
    picture = np.arange(35).reshape(5, 7)  # each pixel fires at a time of its own
    seen = set()
    for k in range(200):
        got = Crop(size=(4, 5))(recording(), generator(0, k))
        assert got.size == (4, 5)
        top, left = divmod(int(got.t[0]), 7)
        np.testing.assert_array_equal(got.t, picture[top : top + 4, left : left + 5].ravel())
        np.testing.assert_array_equal(got.y * 5 + got.x, np.arange(20))
        seen.add((top, left))
    assert seen == {(a, b) for a in range(2) for b in range(3)}


def test_the_middle_needs_no_generator():
    got = Crop(size=(3, 3), centre=True)(recording())
    np.testing.assert_array_equal(NumWindows(num=1)(got)[0, 1], np.ones((3, 3)))
    np.testing.assert_array_equal(got.t, np.arange(35).reshape(5, 7)[1:4, 2:5].ravel())


def test_the_whole_sensor_is_the_recording():
    np.testing.assert_array_equal(Crop(size=(5, 7))(recording(), generator(0)).x, recording().x)


def test_senseless_windows_are_refused():
    with pytest.raises(ConfigError, match=r"Crop.size: expected a height and width >= 1, got \(0, 3\)"):
        Crop(size=(0, 3))
    with pytest.raises(
        ShapeError, match="Crop: expected a window no larger than the sensor, got a window of 6 x 3 on 5 x 7"
    ):
        Crop(size=(6, 3), centre=True)(recording())
    with pytest.raises(
        ConfigError, match="Crop: expected a generator, which draws the place, got None. Or centre=True."
    ):
        Crop(size=(3, 3))(recording())
