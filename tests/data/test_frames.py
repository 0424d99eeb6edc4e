import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data import (
    CountOrTimeWindows,
    CountWindows,
    DeviceEvents,
    EqualCounts,
    Events,
    NumWindows,
    TimeWindows,
    frames,
)

SIZE = (5, 7)


def recording(num, seed=0, last=100_000):
    r = np.random.default_rng(seed)
    t = np.sort(r.integers(0, last, num))
    return Events.of(t, r.integers(0, 7, num), r.integers(0, 5, num), r.integers(0, 2, num), size=SIZE)


def slow(events, frame_of, num_frames):
    """Framing as its definition says, one event at a time."""
    out = np.zeros((num_frames, 2, *SIZE))
    for i in range(len(events)):
        if 0 <= frame_of(i) < num_frames:
            out[frame_of(i), events.polarity[i], events.y[i], events.x[i]] += 1
    return out


def test_time_windows_agree_with_the_definition():
    events = recording(500)
    frames = TimeWindows(window="10 ms", duration=95.0)(events)
    want = slow(events, lambda i: int(events.t[i]) // 10_000 if events.t[i] < 95_000 else -1, 10)
    assert frames.shape == (10, 2, *SIZE)
    assert frames.dtype == torch.float32
    np.testing.assert_array_equal(frames, want)


def test_num_windows_agree_with_the_definition():
    events = recording(500)
    first, span = int(events.t[0]), int(events.t[-1] - events.t[0]) + 1
    want = slow(events, lambda i: (int(events.t[i]) - first) * 7 // span, 7)
    np.testing.assert_array_equal(NumWindows(num=7)(events), want)


def test_num_windows_of_a_given_duration_cut_what_comes_later():
    events = recording(500)
    want = slow(events, lambda i: int(events.t[i]) * 4 // 80_000, 4)
    np.testing.assert_array_equal(NumWindows(num=4, start=0.0, duration="80 ms")(events), want)


def test_equal_counts_agree_with_the_definition():
    events = recording(500)
    frames = EqualCounts(num=7)(events)
    np.testing.assert_array_equal(frames, slow(events, lambda i: i * 7 // 500, 7))
    per_frame = frames.sum((1, 2, 3))
    assert per_frame.max() - per_frame.min() <= 1


def test_count_windows_agree_with_the_definition():
    events = recording(503)
    frames = CountWindows(count=100)(events)
    np.testing.assert_array_equal(frames, slow(events, lambda i: i // 100, 6))
    np.testing.assert_array_equal(frames.sum((1, 2, 3)), [100, 100, 100, 100, 100, 3])


@given(
    num=st.integers(0, 200),
    seed=st.integers(0, 99),
    framing=st.sampled_from(
        [
            TimeWindows(window=3.0),
            TimeWindows(window="700 us", start=None),
            NumWindows(num=13),
            NumWindows(num=3, shrink=2),
            EqualCounts(num=9),
            CountWindows(count=17, shrink=3),
            CountOrTimeWindows(count=11, window="9 ms"),
        ]
    ),
)
def test_no_event_is_lost_or_counted_twice(num, seed, framing):
    events = recording(num, seed)
    frames = framing(events)
    assert frames.sum() == num
    assert frames[:, 1].sum() == events.polarity.sum()
    assert torch.equal(framing(DeviceEvents.of(events, "cpu")), frames)


def test_one_frame_after_the_other_is_all_at_once():
    r = np.random.default_rng(0)
    counts, cells = np.array([5, 0, 90, 0, 5]), r.integers(0, 12, 100)
    want = frames.at_once(torch.from_numpy(cells), counts, 12)
    np.testing.assert_array_equal(frames.one_by_one(cells, counts, 12), want)
    np.testing.assert_array_equal(frames.together(cells, counts, 12), want)
    large = Events.of(np.arange(9), np.arange(9) * 40, np.arange(9) * 30, [1] * 9, size=(260, 346))
    assert TimeWindows(window=0.003)(large).sum((1, 2, 3)).tolist() == [3, 3, 3]


def test_windows_by_count_and_time_agree_with_the_definition():
    events = recording(500)
    frame_of, begin, frame = [], 0, 0
    for i in range(500):
        if i - begin == 7 or events.t[i] - events.t[begin] >= 1500:
            begin, frame = i, frame + 1
        frame_of.append(frame)
    frames = CountOrTimeWindows(count=7, window=1.5)(events)
    np.testing.assert_array_equal(frames, slow(events, frame_of.__getitem__, frame + 1))
    per_frame = frames.sum((1, 2, 3))
    assert per_frame.max() == 7  # some end by their count,
    assert (per_frame < 7).sum() > 5  # and some by their time


def test_an_event_on_a_border_belongs_to_the_later_frame():
    events = Events.of([0, 999, 1000, 1001], [0] * 4, [0] * 4, [1] * 4, size=SIZE)
    np.testing.assert_array_equal(TimeWindows(window=1.0)(events).sum((1, 2, 3)), [2, 2])


def test_binary_says_whether_there_was_an_event():
    events = recording(500)
    counts, binary = EqualCounts(num=2)(events), EqualCounts(num=2, values="binary")(events)
    assert counts.max() > 1
    np.testing.assert_array_equal(binary, (counts > 0).float())


def test_shrinking_adds_neighbours():
    frames = NumWindows(num=2)(recording(500))
    padded = torch.nn.functional.pad(frames, (0, 1, 0, 1))
    want = padded.reshape(2, 2, 3, 2, 4, 2).sum((3, 5))
    np.testing.assert_array_equal(NumWindows(num=2, shrink=2)(recording(500)), want)


@pytest.mark.parametrize(
    ("framing", "num"),
    [
        (TimeWindows(window=1.0), 1),
        (TimeWindows(window=1.0, duration=5.0), 5),
        (NumWindows(num=4), 4),
        (EqualCounts(num=4), 4),
        (CountWindows(count=4), 1),
        (CountOrTimeWindows(count=4, window=1.0), 1),
    ],
)
def test_no_events_give_empty_frames(framing, num):
    frames = framing(recording(0))
    assert frames.shape == (num, 2, *SIZE)
    assert not frames.any()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: TimeWindows(window=0.0), r"TimeWindows.window: expected a time of at least 1 us, got 0.0"),
        (lambda: TimeWindows(window=1.0, duration=-1.0), r"TimeWindows.duration"),
        (lambda: NumWindows(num=0), r"NumWindows.num: expected a number >= 1, got 0"),
        (lambda: NumWindows(num=5, duration=0.001), r"NumWindows.duration: expected a time of at least 5 us"),
        (lambda: EqualCounts(num=-1), r"EqualCounts.num"),
        (lambda: CountWindows(count=0), r"CountWindows.count"),
        (lambda: CountOrTimeWindows(count=0, window=1.0), r"CountOrTimeWindows.count: expected a number >= 1"),
        (lambda: CountOrTimeWindows(count=1, window=0.0), r"CountOrTimeWindows.window: expected a time of at least"),
        (lambda: EqualCounts(num=1, values="spikes"), r"values: expected 'counts' or 'binary', got 'spikes'"),
        (lambda: EqualCounts(num=1, shrink=0), r"shrink: expected a whole number >= 1, got 0"),
    ],
)
def test_senseless_options_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()


def test_a_gap_of_years_is_refused_not_allocated():
    events = Events.of([0, 10**15], [0, 0], [0, 0], [0, 0], size=SIZE)
    with pytest.raises(ShapeError, match=r"TimeWindows: expected at most 2\^31 values"):
        TimeWindows(window=1.0)(events)
