import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data import Events, SliceByCount, SliceByLabel, SliceByTime, Span


def line(times):
    n = len(times)
    return Events.of(times, np.zeros(n, int), np.zeros(n, int), np.ones(n, int), size=(1, 1))


times = st.lists(st.integers(0, 5000), max_size=60).map(sorted)


@given(times=times, window=st.integers(1, 2000), data=st.data(), whole=st.booleans())
def test_slices_by_time_agree_with_the_definition(times, window, data, whole):
    overlap = data.draw(st.integers(max(0, window - 50), window - 1) if window > 60 else st.integers(0, window - 1))
    if 5000 // (window - overlap) > 2000:
        overlap = 0
    events = line(times)
    got = SliceByTime(window=f"{window} us", overlap=f"{overlap} us", whole=whole)(events)
    want, begin = [], times[0] if times else 0
    while times:
        holds_the_last = begin + window > times[-1]
        if not whole or begin + window <= times[-1] + 1:
            want.append([t for t in times if begin <= t < begin + window])
        if holds_the_last:
            break
        begin += window - overlap
    assert [part.t.tolist() for part in got] == want


@given(times=times, count=st.integers(1, 70), data=st.data(), whole=st.booleans())
def test_slices_by_count_agree_with_the_definition(times, count, data, whole):
    overlap = data.draw(st.integers(0, count - 1))
    got = SliceByCount(count=count, overlap=overlap, whole=whole)(line(times))
    want, begin = [], 0
    while times:
        if not whole or begin + count <= len(times):
            want.append(times[begin : begin + count])
        if begin + count >= len(times):
            break
        begin += count - overlap
    assert [part.t.tolist() for part in got] == want


@given(times=times, window=st.integers(1, 3000), count=st.integers(1, 70))
def test_without_overlap_no_event_is_lost_or_doubled(times, window, count):
    events = line(times)
    for slicer in (SliceByTime(window=f"{window} us"), SliceByCount(count=count)):
        bounds = slicer.bounds(events)
        assert np.array_equal(np.concatenate([np.arange(a, b) for a, b in bounds] + [[]]), np.arange(len(events)))


def test_slices_are_views():
    events = line(range(10))
    assert all(np.shares_memory(part.t, events.t) for part in SliceByCount(count=3)(events))


def test_a_labelled_stretch_is_half_open_and_may_overlap_or_reach_beyond():
    events = line([0, 10, 20, 30])
    got = SliceByLabel((Span(0, 20, 4), Span(10, 31, 2), Span(25, 999, 7), Span(50, 60, 1)))(events)
    assert [(part.t.tolist(), label) for part, label in got] == [
        ([0, 10], 4), ([10, 20, 30], 2), ([30], 7), ([], 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SliceByTime(window=0.0), "SliceByTime.window: expected a time of at least 1 us"),
        (
            lambda: SliceByTime(window=1.0, overlap=1.0),
            "SliceByTime.overlap: expected a time >= 0 and below the window",
        ),
        (lambda: SliceByCount(count=0), "SliceByCount.count"),
        (
            lambda: SliceByCount(count=3, overlap=3),
            "SliceByCount.overlap: expected a number >= 0 and below the count, 3",
        ),
        (lambda: Span(5, 4, 0), "Span.stop: expected a time >= start, 5 us, got 4"),
    ],
)
def test_senseless_options_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()


def test_a_gap_of_years_is_refused_not_allocated():
    with pytest.raises(ShapeError, match=r"SliceByTime: expected at most 2\^24 slices"):
        SliceByTime(window=1.0)(line([0, 10**15]))
