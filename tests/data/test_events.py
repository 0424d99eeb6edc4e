import numpy as np
import pytest

from ranvier.core.errors import DtypeError, ShapeError
from ranvier.data import Events

GOOD = {"t": [0, 5, 5, 9], "x": [0, 3, 1, 2], "y": [1, 0, 1, 0], "polarity": [0, 1, 1, 0]}


def events(**changes):
    return Events.of(**{**GOOD, **changes}, size=(2, 4))


def test_columns_have_the_documented_types():
    made = events()
    assert [c.dtype for c in (made.t, made.x, made.y, made.polarity)] == [np.int64, np.int16, np.int16, np.uint8]
    assert len(made) == 4
    assert made.duration == 9


def test_minus_one_and_bool_are_polarities_too():
    np.testing.assert_array_equal(events(polarity=[-1, 1, 1, -1]).polarity, [0, 1, 1, 0])
    np.testing.assert_array_equal(events(polarity=[False, True, True, False]).polarity, [0, 1, 1, 0])


def test_tensors_share_the_memory():
    made = events()
    made.tensors().x[2] = 3
    assert made.x[2] == 3
    assert made.tensors().t.data_ptr() == made.t.ctypes.data


def test_a_slice_is_a_view():
    made = events()
    assert np.shares_memory(made[1:3].t, made.t)
    np.testing.assert_array_equal(made[np.array([True, False, False, True])].t, [0, 9])


def test_between_includes_the_start_and_excludes_the_stop():
    np.testing.assert_array_equal(events().between(5, 9).t, [5, 5])
    assert len(events().between(6, 9)) == 0


def test_an_empty_recording_is_fine():
    empty = Events.of([], [], [], [], size=(2, 4))
    assert len(empty) == 0
    assert empty.duration == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"x": [0, 3, 4, 2]}, r"event 2: expected a pixel of a sensor of 2 x 4 .* got x = 4, y = 1"),
        ({"y": [-1, 0, 1, 0]}, r"event 0: .* y = -1"),
        ({"t": [0, 5, 4, 9]}, r"event 2: expected a time >= 5 us, .* got 4 us"),
        ({"polarity": [0, 1, 2, 0]}, r"event 2: expected a polarity of 0 or 1, got 2"),
        ({"x": [0, 1]}, r"Events.x: expected shape \(4,\), got \(2,\)"),
    ],
)
def test_a_bad_event_is_named(changes, text):
    with pytest.raises(ShapeError, match=text):
        events(**changes)


def test_backward_time_is_seen_in_unsigned_columns():
    with pytest.raises(ShapeError, match="event 1"):
        Events.of(np.array([7, 3], np.uint32), [0, 0], [0, 0], [0, 0], size=(2, 4))


def test_fractions_are_refused():
    with pytest.raises(DtypeError, match=r"Events.t: expected whole numbers, got float64"):
        events(t=[0.0, 1.0, 2.0, 3.0])


def test_the_constructor_refuses_other_types_and_lengths():
    good = events()
    with pytest.raises(DtypeError, match=r"Events.x: expected a numpy array of int16, got int64"):
        Events(good.t, good.t, good.y, good.polarity, (2, 4))
    with pytest.raises(ShapeError, match=r"Events.y"):
        Events(good.t, good.x, good.y[:2], good.polarity, (2, 4))
    with pytest.raises(DtypeError, match="got list"):
        Events([1], good.x, good.y, good.polarity, (2, 4))
