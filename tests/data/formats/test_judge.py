import numpy as np
import pytest

from ranvier.data.formats.interface import Columns
from ranvier.data.formats.judge import Clock, judge
from ranvier.data.formats.unroll import Counter, notes_for, read_notes, unroll

SIZE = (10, 20)


def columns(t, x=None, y=None, polarity=None):
    zeros = np.zeros(len(t), np.int32)
    return Columns(
        np.array(t, np.int64),
        zeros if x is None else np.array(x),
        zeros if y is None else np.array(y),
        zeros.astype(np.uint8) if polarity is None else np.array(polarity),
        range(100, 100 + 8 * len(t), 8),
    )


def repaired(*chunks):
    """Judge chunks one after the other: the times that are given, and the faults by kind."""
    clock, times, faults = Clock(), [], {}
    for index, chunk in enumerate(chunks):
        good, clock, found = judge(chunk, SIZE, clock, "repair", final=index == len(chunks) - 1)
        times += good.t.tolist()
        for fault in found:
            faults.setdefault(fault.kind, []).append(fault)
    return times, faults


@pytest.mark.parametrize(
    ("bad", "kind", "got"),
    [
        ({"t": [1, 2, 3], "x": [0, 20, 0]}, "off the sensor", "x = 20, y = 0"),
        ({"t": [1, 2, 3], "y": [0, -1, 0]}, "off the sensor", "x = 0, y = -1"),
        ({"t": [1, 2, 3], "polarity": [0, 2, 0]}, "polarity", "2"),
        ({"t": [5, 4, 6]}, "backward time", "4 us"),
        ({"t": [5, 1 << 61, 6]}, "wild time", f"{1 << 61} us"),
    ],
)
def test_strict_mode_names_the_first_event_that_breaks_a_rule(bad, kind, got):
    _, _, faults = judge(columns(**bad), SIZE, Clock(), "strict")
    assert [(fault.kind, fault.at, fault.got) for fault in faults] == [(kind, 108, got)]


def test_strict_mode_remembers_the_time_of_the_chunk_before():
    _, clock, faults = judge(columns([5, 9]), SIZE, Clock(), "strict")
    assert not faults
    _, _, faults = judge(columns([8]), SIZE, clock, "strict")
    assert faults[0].expected == "a time >= 9 us, that of the event before"


def test_repair_holds_small_steps_back_and_drops_large_ones():
    times, faults = repaired(columns([50_000, 49_990, 50_010, 39_000, 60_000]))
    assert times == [50_000, 50_000, 50_010, 60_000]
    assert (faults["backward time"][0].changed, faults["backward time"][0].dropped) == (1, 1)


def test_repair_drops_a_lone_event_far_ahead_and_keeps_what_follows():
    times, faults = repaired(columns([10, 20, 1 << 40, 30, 40]))
    assert times == [10, 20, 30, 40]
    assert faults["time ahead"][0].at == 116


@pytest.mark.parametrize("cut", range(6))
def test_where_a_chunk_ends_does_not_matter(cut):
    t = [10, 20, 1 << 40, 30, 25, 40]
    assert repaired(columns(t[:cut]), columns(t[cut:]))[0] == [10, 20, 30, 30, 40]


def test_minus_one_is_off():
    good, _, faults = judge(columns([1, 2], polarity=np.array([-1, 1], np.int8)), SIZE, Clock(), "strict")
    assert not faults
    np.testing.assert_array_equal(good.polarity, [0, 1])


def test_a_counter_is_unrolled_across_chunks():
    t = np.cumsum(np.random.default_rng(0).integers(0, 1 << 10, 5000))
    raw = t & 0xFFF
    out, counter = [], Counter()
    for part in np.array_split(raw, 37):
        times, counter = unroll(part, 12, counter)
        out.append(times)
    np.testing.assert_array_equal(np.concatenate(out), t)


def test_a_small_step_back_is_no_wrap():
    times, _ = unroll(np.array([3000, 2990, 100, 2000]), 12, Counter())
    np.testing.assert_array_equal(times, [3000, 2990, 4196, 6096])


def test_notes_tell_only_of_what_the_counter_cannot():
    assert notes_for(np.array([0, 100, 4095, 4097]), 12, "a") == []
    assert notes_for(np.array([5000, 5001, 20000]), 12, "a") == [(0, 1), (2, 4)]


def test_a_note_that_would_overflow_is_a_comment():
    assert read_notes(["t_wraps 0 99999999999", "t_wraps 3 7", "t_wraps a b"], 34) == ((3, 7),)
