"""The compiled decoders against the numpy decoders beside them: events, places, states, faults and counts are the same."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ranvier.core.errors import RanvierError
from ranvier.data.formats import aedat2, aedat3, aedat4, dat, es, evt2, evt3, evt21, native, nmnist_bin
from ranvier.data.formats.faults import merged
from ranvier.data.formats.unroll import Counter
from ranvier.data.open import open_events
from tests.data.formats.battery import BY_NAME, mutate, some_events

pytestmark = pytest.mark.skipif(native.absence() is not None, reason=str(native.absence()))
MODULES = {module.FORMAT.name: module for module in (aedat2, aedat3, aedat4, dat, es, evt2, evt21, evt3, nmnist_bin)}


def both(path, name):
    """The compiled decoder of a file, its numpy twin, and where to start; None if the header is refused."""
    try:
        reader = MODULES[name].open_(path)
    except RanvierError:
        return None
    return reader.compiled, reader.decode, reader.start


def walk(decode, data, start, size):
    """Decode a file in chunks: columns, state, merged faults, counts, and the state after each byte that a call ended at."""
    position, state = start
    end, want = len(data), size
    parts, faults, others, states = [], {}, {}, {}
    while position < end:
        given = data[position : position + want]
        found = decode(given, position, end, state)
        if not found.used:
            assert position + len(given) < end
            want = max(found.need, 2 * want)
            continue
        assert found.used > 0
        position, state, want = position + found.used, found.state, size
        parts.append([np.asarray(column).astype(np.int64) for column in found.chunk.columns[:5]])
        for fault in found.chunk.faults:
            faults[fault.kind] = merged(faults[fault.kind], fault) if fault.kind in faults else fault
        for kind, count in found.chunk.others.items():
            others[kind] = others.get(kind, 0) + count
        states[position] = state
        if (bounds := found.chunk.columns.bounds) is not None:
            assert told(parts[-1]) == tuple(bounds)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    return columns, position, state, faults, others, states


def told(part):
    t, x, y, polarity, _ = part
    return (
        t.min(),
        t.max(),
        t[0],
        t[-1],
        x.min(),
        x.max(),
        y.min(),
        y.max(),
        polarity.max(),
        bool((np.diff(t) >= 0).all()),
    )


def check(path, name, data, sizes):
    path.write_bytes(data)
    if (found := both(path, name)) is None:
        return 0
    compiled, twin, start = found
    for size in sizes:
        ours, law = walk(compiled, data, start, size), walk(twin, data, start, size)
        assert len(ours[0]) == len(law[0]), size
        for mine, theirs in zip(ours[0], law[0], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert ours[1:5] == law[1:5], size
        shared = set(ours[5]) & set(law[5])
        assert {at: ours[5][at] for at in shared} == {at: law[5][at] for at in shared}
    return sum(fault.num for fault in ours[3].values())


def seed_file(name, tmp_path, num=150, **kwargs):
    BY_NAME[name].write(tmp_path / "seed", some_events(num, seed=2, name=name, gap=3000, **kwargs))
    return (tmp_path / "seed").read_bytes()


def test_every_binary_format_of_bytes_has_a_compiled_decoder(tmp_path):
    for name in MODULES:
        seed_file(name, tmp_path)
        assert MODULES[name].open_(tmp_path / "seed").compiled is not None


@pytest.mark.parametrize("name", MODULES)
def test_a_sound_file_is_the_same_for_chunks_of_1_to_97_bytes(name, tmp_path):
    check(tmp_path / "a", name, seed_file(name, tmp_path, num=24), range(1, 98))


@pytest.mark.parametrize("name", MODULES)
def test_mutated_files_are_the_same_for_any_chunk(name, tmp_path):
    data, r = seed_file(name, tmp_path), np.random.default_rng(21)
    faults = sum(check(tmp_path / "a", name, mutate(data, r), (1 << 20, int(r.integers(1, 98)))) for _ in range(120))
    assert faults > 10


WORDS = {
    "evt2": (b"% evt 2.0\n% geometry 2048x2048\n% end\n", 4),
    "evt21": (b"% evt 2.1\n% geometry 2048x2048\n% end\n", 8),
    "evt3": (b"% evt 3.0\n% geometry 2048x2048\n% end\n", 2),
    "dat": (b"% Version 2\n\x00\x08", 8),
    "aedat2": (b"#!AER-DAT2.0\r\n#End Of ASCII Header\r\n", 8),
    "nmnist_bin": (b"", 5),
    "es": (b"Event Stream\2\0\0\1\x40\0\x40\0", 5),
}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("seed", range(4))
def test_random_words_are_the_same(name, seed, tmp_path):
    r = np.random.default_rng(seed)
    head, size = WORDS[name]
    raw = bytearray(r.bytes(3000 * size + seed))
    if name.startswith("evt"):  # mostly words that mean something
        kinds = {"evt3": [0, 2, 2, 2, 3, 4, 5, 6, 8, 10, 14, 1]}.get(name, [0, 1, 0, 1, 8, 8, 10, 14, 2])
        for at in range(size - 1, len(raw), size):
            raw[at] = raw[at] & 15 | int(r.choice(kinds)) << 4
    check(tmp_path / "a", name, head + bytes(raw), (1 << 20, 4096, 91))


@pytest.mark.parametrize("kind", [es.DVS, es.ATIS])
def test_streams_of_both_sensors_are_the_same(kind, tmp_path):
    data = es.to_bytes(some_events(200, gap=900), kind=kind)
    r = np.random.default_rng(3)
    for _ in range(60):
        check(tmp_path / "a", "es", mutate(data, r), (1 << 20, 33))


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_packets_of_any_compression_are_the_same(compression, tmp_path):
    data = aedat4.to_bytes(some_events(3000), compression=compression)
    r = np.random.default_rng(4)
    for _ in range(60):
        check(tmp_path / "a", "aedat4", mutate(data, r), (1 << 20, 500))


def test_vectors_that_run_off_every_sensor_are_the_same(tmp_path):
    words = [8 << 12, 0, 3 << 12 | 2047] + [4 << 12 | 0xFFF] * 3000
    head, _ = WORDS["evt3"]
    check(tmp_path / "a", "evt3", head + np.array(words, "<u2").tobytes(), (1 << 20, 90))


@pytest.mark.parametrize("name", ["evt21", "evt3"])
def test_words_full_of_events_stop_a_call_early_and_lose_nothing(name, tmp_path):
    head, _ = WORDS[name]
    words = [8 << 12, 0, *([3 << 12, *[4 << 12 | 0xFFF] * 99] * 200)]
    body = np.array(words, "<u2") if name == "evt3" else np.array([8 << 60, *[1 << 60 | 0xFFFFFFFF] * 4000], "<u8")
    (tmp_path / "a").write_bytes(head + body.tobytes())
    compiled, _, start = both(tmp_path / "a", name)
    data = (tmp_path / "a").read_bytes()
    assert len(walk(compiled, data, start, 1 << 20)[5]) > 1
    check(tmp_path / "a", name, data, (1 << 20,))


@pytest.mark.parametrize("name", MODULES)
def test_each_instruction_set_gives_the_same(name, tmp_path, monkeypatch):
    data, r = seed_file(name, tmp_path), np.random.default_rng(23)
    files = [data, *(mutate(data, r) for _ in range(20))]
    room = native.Room
    for variant in native.EXTENSION.module("test").variants():
        monkeypatch.setattr(native, "Room", partial(room, variant=variant))
        for each in files:
            check(tmp_path / "a", name, each, (1 << 20, 77))


@pytest.mark.parametrize("name", MODULES)
def test_without_the_extension_the_twin_reads_the_same_file(name, tmp_path, monkeypatch):
    events = some_events(500, name=name)
    BY_NAME[name].write(tmp_path / "a", events)
    monkeypatch.setattr(native, "absence", lambda: "it is not there")
    found = open_events(tmp_path / "a", format=name, size=events.size)
    assert found.reader.compiled is None
    np.testing.assert_array_equal(found.read().t, events.t)


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs real recordings: set RANVIER_DATA")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("prophesee_evt2.raw", "evt2"),
        ("prophesee_evt3.raw", "evt3"),
        ("ncars_obj_004397_td.dat", "dat"),
        ("eventstream_dvs.es", "es"),
        ("dvxplorer_320x240.aedat4", "aedat4"),
        ("davis346_noisy.aedat4", "aedat4"),
        ("dvs128_walking.aedat", "aedat2"),
        ("davis240_translboxes.aedat", "aedat2"),
        ("simulated_moving_dot_346.aedat", "aedat2"),
    ],
)
def test_real_recordings_are_the_same(file, name, tmp_path):
    data = (Path(os.environ["RANVIER_DATA"]) / "event_formats" / file).read_bytes()
    check(tmp_path / "a", name, data, (1 << 20, 30_011))
    r = np.random.default_rng(5)
    for _ in range(3):
        check(tmp_path / "a", name, mutate(mutate(data, r), r), (1 << 20,))


def test_a_block_without_room_is_refused():
    module = native.EXTENSION.module("test")
    with pytest.raises(ValueError, match=r"block: expected room for a multiple of 8 events, got 100 bytes for 8"):
        module.decode("dat", bytes(64), 0, [2], [0, 0], np.zeros(100, np.uint8), 8, 0, False, 1, 0, None)
    with pytest.raises(ValueError, match=r"format: expected a format with a compiled decoder, got dot"):
        module.decode("dot", bytes(64), 0, [2], [0, 0], np.zeros(208, np.uint8), 8, 0, False, 1, 0, None)


def test_the_state_that_a_compiled_decoder_gives_is_the_twins_type(tmp_path):
    data = seed_file("dat", tmp_path)
    compiled, _, start = both(tmp_path / "seed", "dat")
    assert isinstance(compiled(data[start.position :], start.position, len(data), start.state).state, Counter)
