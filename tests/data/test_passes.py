import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ShapeError
from ranvier.data import Events, NumWindows, TimeWindows, Voxels, frames, passes
from ranvier.data.transforms import voxels

pytestmark = pytest.mark.skipif(passes.native() is None, reason="the extension is not built")


def recording(num, seed=0, *, last=50_000, size=(5, 7)):
    r = np.random.default_rng(seed)
    t = np.sort(r.integers(0, last, num))
    return Events.of(t, r.integers(0, size[1], num), r.integers(0, size[0], num), r.integers(0, 2, num), size=size)


@pytest.fixture
def without(monkeypatch):
    """Call something as if the extension were not there."""

    def call(transform, events):
        with monkeypatch.context() as patch:
            patch.setattr(passes, "native", lambda: None)
            return transform(events)

    return call


@given(num=st.integers(0, 300), seed=st.integers(0, 99), shrink=st.integers(1, 4), windows=st.integers(1, 40))
def test_frames_are_those_of_numpy_bit_for_bit(num, seed, shrink, windows):
    events = recording(num, seed)
    borders = np.sort(np.random.default_rng(seed).integers(0, num + 1, windows + 1))
    size = (-(-5 // shrink), -(-7 // shrink))
    got = passes.frames(events, borders, shrink, windows * 2 * size[0] * size[1])
    np.testing.assert_array_equal(got, frames._by_numpy(events, borders, shrink, size))


@given(
    num=st.integers(0, 300),
    seed=st.integers(0, 99),
    num_bins=st.integers(1, 12),
    last=st.sampled_from([1, 7, 50_000, 2**53]),
)
def test_voxels_are_those_of_the_law_bit_for_bit(num, seed, num_bins, last):
    events = recording(num, seed, last=last)
    start, span = (int(events.t[0]), events.duration) if num else (0, 0)
    columns = [torch.from_numpy(c) for c in (events.t - start, events.y.astype(np.int64) * 7 + events.x)]
    polarity = torch.from_numpy(events.polarity)
    signed = voxels.at_once(*columns, polarity, num_bins, span, 35)
    np.testing.assert_array_equal(passes.voxels(events, start, span, num_bins, 1), signed)
    split = voxels.at_once(columns[0], columns[1] + polarity.long() * 35, None, num_bins, span, 70)
    np.testing.assert_array_equal(passes.voxels(events, start, span, num_bins, 2), split)


@pytest.mark.parametrize("transform", [NumWindows(num=7), TimeWindows(window=3.0, shrink=2), Voxels(num_bins=5)])
def test_views_and_read_only_columns_are_taken_as_they_are(without, transform):
    events = recording(400)
    for part in (events[::3], events[11:300], events[np.arange(0, 400, 2)]):
        part.x.flags.writeable = False
        assert torch.equal(transform(part), without(transform, part))


def test_a_frame_of_more_events_than_a_float_counts_to_is_counted_in_integers(monkeypatch):
    events = recording(400)
    borders = np.array([0, 10, 350, 400])
    want = passes.frames(events, borders, 1, 3 * 70)
    monkeypatch.setattr(passes, "_EXACT", 40)
    np.testing.assert_array_equal(passes.frames(events, borders, 1, 3 * 70), want)
    assert want.sum() == 400


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("x", 7, r"Events, event 3: expected a pixel of a sensor of 5 x 7 \(height x width\), got x = 7"),
        ("y", -1, r"Events, event 3: expected a pixel"),
        ("polarity", 2, r"Events, event 3: expected a polarity of 0 or 1, got 2"),
        ("polarity", 255, r"Events, event 3: expected a polarity of 0 or 1, got 255"),
    ],
)
@pytest.mark.parametrize("transform", [NumWindows(num=2), Voxels(num_bins=2)])
def test_an_event_off_the_sensor_is_named_and_touches_no_memory(transform, column, value, text):
    events = recording(9)
    getattr(events, column)[3] = value
    with pytest.raises(ShapeError, match=text):
        transform(events)


def test_results_of_another_size_are_refused():
    events = recording(9)
    columns = (events.x, events.y, events.polarity, events.size)
    extension, out = passes.native(), np.zeros(70, np.float32)
    with pytest.raises(ValueError, match="within the events"):
        extension.frames(*columns, np.array([0, 10]), 1, 99, out)
    with pytest.raises(ValueError, match="never fall"):
        extension.frames(*columns, np.array([0, 5, 4]), 1, 99, np.zeros(140, np.float32))
    with pytest.raises(ValueError, match="a result of"):
        extension.frames(*columns, np.array([0, 9]), 1, 99, out[:-1])
    with pytest.raises(ValueError, match="a result of"):
        extension.voxels(events.t, *columns, 0, 10, 2, 2, out)
    with pytest.raises(ValueError, match="one length"):
        extension.voxels(events.t, events.x[1:], *columns[1:], 0, 10, 1, 2, out)


@given(
    num=st.integers(0, 200),
    seed=st.integers(0, 20),
    by_time=st.booleans(),
    start=st.integers(-60_000, 60_000),
    step=st.integers(0, 70_000),
    parts=st.integers(1, 30),
    windows=st.integers(1, 30),
)
def test_the_marks_of_a_ruler_are_those_of_numpy(num, seed, by_time, start, step, parts, windows):
    events = recording(num, seed)
    ruler = passes.Ruler(by_time, start if by_time else 0, step, parts, 50_000 if by_time else num, windows)
    borders = np.searchsorted(events.t, ruler.marks()) if by_time else ruler.marks()
    want = frames._by_numpy(events, borders, 1, events.size)
    np.testing.assert_array_equal(passes.measured(events, ruler, 1, windows * 70), want)


def test_rulers_that_make_no_sense_are_refused():
    events = recording(9)
    columns, out = (events.x, events.y, events.polarity, events.size), np.zeros(70, np.float32)
    for ruler in ((0, -1, 1, 9, 1), (0, 1, 0, 9, 1), (0, 1, 1, -9, 1), (0, 1, 1, 10, 1)):
        with pytest.raises(ValueError, match=r"steps that do not fall|within the events"):
            passes.native().measured(None, *columns, ruler, 1, 99, out)
    with pytest.raises(ValueError, match="a result of"):
        passes.native().measured(events.t, *columns, (0, 1, 1, 9, 2), 1, 99, out)
