"""All formats of event recordings through one battery."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.core.errors import UnknownNameError
from ranvier.data import Events, open_events
from ranvier.data.formats.registry import FORMATS, by_name
from ranvier.data.open import recognise
from tests.data.formats.battery import (
    BINARY,
    BY_NAME,
    LATEST,
    LONGEST_GAP,
    SIZE,
    mutate,
    outcome,
    read_back,
    same,
    some_events,
)

NAMES = [known.name for known in FORMATS]
# A file of a few thousand bytes is read some thousand times; formats whose library opens slowly get fewer.
MUTATIONS = {"hdf5": 100, "npz": 500, "text": 500}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_recognised_by_its_content_whatever_its_name(name, tmp_path):
    path = tmp_path / "recording.xyz"
    BY_NAME[name].write(path, some_events(300, name=name))
    assert recognise(path).name == name
    assert [known.name for known in FORMATS if known.sniff(path.read_bytes()[: 1 << 16], path.stat().st_size)] == [name]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(
    gaps=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 1 << 53)), max_size=40),
    start=st.integers(0, 1 << 52),
    seed=st.integers(0, 99),
)
def test_what_is_written_is_read_with_times_beyond_every_wrap(name, tmp_path_factory, gaps, start, seed):
    r, num = np.random.default_rng(seed), len(gaps)
    height, width = SIZE.get(name, (48, 64))
    latest = LATEST.get(name, 1 << 53)
    longest = LONGEST_GAP.get(name, 1 << 53)
    t = np.minimum(start % latest + np.cumsum(np.array([gap % longest for gap in gaps], np.int64)), latest)
    events = Events.of(
        t, r.integers(0, width, num), r.integers(0, height, num), r.integers(0, 2, num), size=(height, width)
    )
    path = tmp_path_factory.mktemp("round") / "a"
    BY_NAME[name].write(path, events)
    back = open_events(path, format=name, size=events.size).read()
    assert same(back, events)


@pytest.mark.parametrize("name", NAMES)
def test_a_million_events_are_read_as_they_were_written(name, tmp_path):
    events = some_events(1_000_000, name=name)
    BY_NAME[name].write(tmp_path / "a", events)
    assert same(open_events(tmp_path / "a", format=name, size=events.size).read(), events)


@pytest.mark.parametrize("name", NAMES)
def test_gaps_of_each_wrap_period_and_one_more_or_less_survive(name, tmp_path):
    latest = LATEST.get(name, 1 << 53)
    longest = LONGEST_GAP.get(name, 1 << 53)
    periods = [1 << 12, 1 << 13, 1 << 23, 1 << 24, 1 << 31, 1 << 32, 1 << 34, 3 << 33, 1 << 35]
    gaps = [0, *(p + d for p in periods for d in (-1, 0, 1) if p + d <= longest), 5]
    t = np.cumsum(gaps)
    t = t[t <= latest]
    zero = np.zeros(t.size, int)
    events = Events.of(t, zero, zero, zero, size=SIZE.get(name, (48, 64)))
    BY_NAME[name].write(tmp_path / "a", events)
    assert same(open_events(tmp_path / "a", format=name, size=events.size).read(), events)


@pytest.mark.parametrize("name", NAMES)
def test_chunked_equals_whole_for_chunks_of_1_to_97_bytes(name, tmp_path):
    events = some_events(60, seed=3, name=name, gap=3000)
    BY_NAME[name].write(tmp_path / "a", events)
    for size in range(1, 98, 19 if name == "hdf5" else 1):  # which opens its file for each chunk
        back = read_back(tmp_path / "a", name, format=name, chunk_bytes=size)
        assert same(back.read(), events), size


@pytest.mark.parametrize("name", BINARY)
def test_a_broken_file_is_repaired_alike_for_any_chunk(name, tmp_path):
    events = some_events(120, seed=4, name=name, gap=3000)
    BY_NAME[name].write(tmp_path / "good", events)
    r = np.random.default_rng(5)
    data = (tmp_path / "good").read_bytes()
    seen = 0
    for _ in range(25):
        (tmp_path / "a").write_bytes(mutate(data, r))
        whole = outcome(tmp_path / "a", name, "repair", size=events.size)
        for size in (1, 16, 97):
            part = outcome(tmp_path / "a", name, "repair", size=events.size, chunk_bytes=size)
            assert (part is None) == (whole is None)
            if whole is not None:
                assert same(part[0], whole[0])
                assert part[1].skipped_bytes == whole[1].skipped_bytes
                assert part[1].dropped_events == whole[1].dropped_events
        seen += whole is not None and not whole[1].clean
    assert seen > 3


def put_through(name, tmp_path, *, num, seed):
    """Read mutated files in both modes: how many are refused in strict mode, and how many of these are repaired."""
    events = some_events(150, seed=6, name=name, gap=3000)
    path = tmp_path / "a"
    BY_NAME[name].write(path, events)
    data = path.read_bytes()
    r = np.random.default_rng(seed)
    refused = repaired = 0
    for turn in range(num):
        path.write_bytes(mutate(data, r))
        size = None if turn % 8 == 0 else events.size
        strict = outcome(path, name, "strict", size=size)
        found = outcome(path, name, "repair", size=size)
        refused += strict is None
        repaired += strict is None and found is not None
        if strict is not None and found is not None:
            assert same(strict[0], found[0])
            assert found[1].clean
        if found is not None:
            assert found[1].skipped_bytes <= path.stat().st_size
    return refused, repaired


# RANVIER_SEED asks for many, other ones for each seed; continuous integration makes one of the commit's name.
SEED = os.environ.get("RANVIER_SEED")
MANY = 1000 if SEED is None else 20_000


@pytest.mark.parametrize("name", NAMES)
def test_mutated_files_are_refused_or_read_with_a_report(name, tmp_path):
    refused, repaired = put_through(name, tmp_path, num=MUTATIONS.get(name, MANY), seed=int(SEED or 7))
    assert refused > 20
    assert repaired > 20 or name in ("npz", "hdf5")  # whose libraries refuse a broken file whole


@pytest.mark.parametrize("name", NAMES)
def test_a_mutated_file_takes_no_more_memory_than_its_bound(name, tmp_path):
    tracemalloc.start()
    put_through(name, tmp_path, num=60, seed=12)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_at_all_are_refused_or_read_with_a_report(name, tmp_path):
    r = np.random.default_rng(8)
    path = tmp_path / "a"
    BY_NAME[name].write(path, some_events(5, name=name))
    head = path.read_bytes()
    for num in range(0, 200, 3):
        for data in (r.bytes(num), head[:num], head[:-1] + r.bytes(num), bytes(num), b"\xff" * num):
            path.write_bytes(data)
            outcome(path, name, "strict")
            outcome(path, name, "repair")


@pytest.mark.parametrize("name", NAMES)
def test_every_cut_is_an_error_in_strict_mode_or_a_file_of_fewer_events(name, tmp_path):
    events = some_events(40, seed=9, name=name)
    BY_NAME[name].write(tmp_path / "good", events)
    data = (tmp_path / "good").read_bytes()
    for stop in range(0, len(data), 1 if name != "hdf5" else 97):
        (tmp_path / "a").write_bytes(data[:stop])
        found = outcome(tmp_path / "a", name, "strict", size=events.size)
        if found is not None:
            assert len(found[0]) <= len(events)
            if name != "text":  # a number that is cut is another number
                assert same(found[0], events[: len(found[0])])


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_recording_is_written_and_read(name, tmp_path):
    BY_NAME[name].write(tmp_path / "a", some_events(0, name=name))
    recording = open_events(tmp_path / "a", format=name)
    assert len(recording.read()) == recording.num_events == recording.duration == 0
    assert list(recording.blocks()) == []
    assert len(recording.between(0, 100)) == len(recording.take(0, 100)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_time_and_count_are_reached_at_random(name, tmp_path):
    events = some_events(2000, seed=10, name=name, gap=300)
    BY_NAME[name].write(tmp_path / "a", events)
    recording = read_back(tmp_path / "a", name, format=name, chunk_bytes=512)
    r = np.random.default_rng(11)
    for _ in range(15):
        start, stop = np.sort(r.integers(-10, int(events.t[-1]) + 100, 2)).tolist()
        assert same(recording.between(start, stop), events.between(start, stop))
        first, last = np.sort(r.integers(0, 2100, 2)).tolist()
        assert same(recording.take(first, last), events[first:last])
    assert (recording.num_events, recording.t_first, recording.t_last) == (2000, events.t[0], events.t[-1])
    assert recording.duration == events.duration


@pytest.mark.parametrize("name", NAMES)
def test_reading_twice_gives_the_same_and_changes_nothing(name, tmp_path):
    BY_NAME[name].write(tmp_path / "a", some_events(100, name=name))
    before = (tmp_path / "a").read_bytes()
    recording = open_events(tmp_path / "a", format=name)
    assert same(recording.read(), recording.read())
    assert (tmp_path / "a").read_bytes() == before


def test_names_are_unique_and_an_unknown_one_is_told_the_near_ones():
    assert len(set(NAMES)) == len(NAMES)
    with pytest.raises(UnknownNameError, match=r"event formats: expected a known format .* got 'evt4'. Did you mean"):
        by_name("evt4")
