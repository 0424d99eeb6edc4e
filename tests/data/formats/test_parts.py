"""Files decoded in parts by several threads: the same events, states, counts, faults and errors as by one, and as the twin's."""

import os
import struct
from functools import partial

import numpy as np
import pytest

from ranvier.core.errors import DataError
from ranvier.data.formats import aedat4, dat, evt2, native, nmnist_bin, unpack
from ranvier.data.formats.stretch import Stretch
from ranvier.data.open import open_events
from tests.data.formats.battery import mutate, some_events
from tests.data.formats.test_compiled import WORDS, both, check, seed_file, walk
from tests.data.formats.test_stretch import events, told

pytestmark = pytest.mark.skipif(native.absence() is not None, reason=str(native.absence()))
MODULES = {module.FORMAT.name: module for module in (evt2, dat, nmnist_bin, aedat4)}
SOME = partial(native.Room, threads=3)
WHAT = ("num", "used", "state", "kinds", "first_unknown", "untimed", "others", "frames", "unfit", "bounds")
FIRST = {"evt2": ((-1, 0), ()), "dat": ((0, 0), (2,)), "nmnist_bin": ((0,), ())}


def words(name, num, seed):
    """Records at random: counters that wrap again and again, marks, words of a type that does not exist, markers."""
    r = np.random.default_rng(seed)
    raw = r.integers(0, 256, num * WORDS[name][1] + seed % 4, np.uint8)
    if name == "evt2":
        few = r.choice([0, 16, 128, 160, 48], num, p=[0.5, 0.2, 0.25, 0.04, 0.01])
        raw[3 : 4 * num : 4] = raw[3 : 4 * num : 4] & 15 | few.astype(np.uint8)
        if seed % 2:
            raw[3 : 4 * (num // 3) : 4] &= 15  # a long way to the first mark
    if name == "nmnist_bin":
        raw[1 : 5 * num : 5][r.random(num) < 0.2] = 240
    return raw.tobytes()


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("seed", range(4))
def test_parts_of_any_size_hold_what_the_whole_holds(name, seed):
    state, parameters = FIRST[name]
    data = words(name, 150, seed)
    law = native.Room(200, threads=1)
    whole = law.decode(name, data, 0, state, parameters)
    assert whole.num > 50
    for piece in range(1, 98):
        ours = SOME(200, piece=piece)
        found = ours.decode(name, data, 0, state, parameters)
        assert {what: getattr(found, what) for what in WHAT} == {what: getattr(whole, what) for what in WHAT}, piece
        for mine, theirs in zip(ours.all().values(), law.all().values(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(np.asarray(ours.columns(0).at), np.asarray(law.columns(0).at))


@pytest.mark.parametrize("variant", native.EXTENSION.module("test").variants() if native.absence() is None else [])
@pytest.mark.parametrize("name", FIRST)
def test_parts_are_the_twins_for_every_instruction_set(name, variant, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "Room", partial(SOME, piece=91, variant=variant))
    for seed in range(3):
        check(tmp_path / "a", name, WORDS[name][0] + words(name, 700, seed), (1 << 20, 801))


@pytest.mark.parametrize("name", MODULES)
def test_mutated_files_in_parts_are_the_twins_for_chunks_of_1_to_97_bytes(name, tmp_path, monkeypatch):
    data, r = seed_file(name, tmp_path), np.random.default_rng(31)
    for chunk in range(1, 98):
        monkeypatch.setattr(native, "Room", partial(SOME, piece=int(r.integers(1, 98))))
        check(tmp_path / "a", name, mutate(data, r), (1 << 20, chunk))


@pytest.mark.parametrize("name", MODULES)
def test_files_in_parts_give_the_same_events_errors_and_reports(name, tmp_path, monkeypatch):
    MODULES[name].write(tmp_path / "a", events(name))
    data, r, broken = (tmp_path / "a").read_bytes(), np.random.default_rng(5), 0
    steps = MODULES[name].open_(tmp_path / "a").steps
    for number in range(4):
        (tmp_path / "a").write_bytes(mutate(mutate(data, r), r) if number else data)
        for mode in ("strict", "repair"):
            with monkeypatch.context() as patch:
                patch.setattr(native, "Room", partial(SOME, piece=int(r.integers(2000, 90_000))))
                ours = told(tmp_path / "a", name, mode, 70_001, compiled=True)
            assert ours == told(tmp_path / "a", name, mode, 70_001 * steps, compiled=False)
            broken += isinstance(ours, str)
    assert broken


@pytest.mark.parametrize("name", MODULES)
def test_a_file_that_shrinks_while_threads_read_it_ends_or_is_told_of(name, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "Room", partial(SOME, piece=4096))
    MODULES[name].write(tmp_path / "a", events(name))
    reader = MODULES[name].open_(tmp_path / "a")
    chunks = reader.chunks(reader.start, 140_000)
    first, after = next(chunks)
    os.truncate(tmp_path / "a", after.position + 5001)
    try:
        rest = sum(chunk.columns.t.size for chunk, _ in chunks)
    except DataError as error:
        assert "expected the bytes it had when it was opened, got fewer, or others" in str(error)  # noqa: PT017
    else:
        assert 0 < first.columns.t.size + rest < 60_000


def test_a_file_that_cannot_be_read_raises_what_the_system_says_in_parts_too(tmp_path):
    (tmp_path / "a").write_bytes(bytes(8000))
    file = os.open(tmp_path / "a", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            SOME(1000, piece=80).decode("dat", Stretch(tmp_path / "a", file, 0, 8000), 0, (0, 0), (2,))
    finally:
        os.close(file)


def test_numbers_of_threads_and_pieces_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="threads: expected one at least, got -1"):
        native.Room(10, threads=-1).decode("dat", bytes(80), 0, (0, 0), (2,))
    with pytest.raises(ValueError, match="piece: expected a millionth of the bytes at least, got -8"):
        native.Room(10, piece=-8).decode("dat", bytes(80), 0, (0, 0), (2,))


def packed(body, **how):
    """A packet of stream 0."""
    frame = bytes(unpack.library("lz4.frame").compress(body, **how))
    return struct.pack("<ii", 0, len(frame)) + frame


def body(items):
    """An unpacked packet of these items of 16 bytes."""
    one = some_events(1, name="aedat4")
    data = aedat4.to_bytes(one)[len(aedat4.to_bytes(one[:0])) + 8 : -16]
    return data[:-4] + struct.pack("<I", len(items) // 16) + items


def bodies(num, count, seed=0):
    """Unpacked packets."""
    r = np.random.default_rng(seed)
    found = []
    for number in range(count):
        items = np.zeros(num, aedat4._EVENT)
        items["t"] = 1000 * number + np.cumsum(r.integers(0, 2, num))
        items["x"], items["y"], items["on"] = r.integers(0, 64, num), r.integers(0, 48, num), r.integers(0, 2, num)
        found.append(body(items.tobytes()))
    return found


WAYS = [
    {"block_linked": linked, "block_size": size, "store_size": sized, "content_checksum": sums, "block_checksum": sums}
    for linked, size, sized, sums in [
        (True, 0, True, False),
        (False, 4, False, True),
        (True, 4, False, True),
        (False, 5, True, False),
        (True, 7, True, True),
    ]
]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("num", [0, 3, 700, 9000])
def test_frames_of_lz4_however_packed_are_unpacked_without_the_library(how, num):
    plain = bodies(num, 3)
    data = b"".join(packed(each, **how) for each in plain)
    room = SOME(3 * num + 1, piece=100)
    found = room.decode("aedat4", data, 0, (), (len(data), 1 << 30, 0))
    assert (found.used, found.num) == (len(data), 3 * num)
    want = np.concatenate([np.frombuffer(each, aedat4._EVENT, num, len(each) - 16 * num) for each in plain])
    for name, column in zip(("t", "x", "y", "on"), room.all().values(), strict=True):
        np.testing.assert_array_equal(column, want[name])


def test_runs_and_texts_of_lz4_unpack_to_what_was_packed():
    """Long literals, long matches, and matches that overlap themselves at every distance."""
    r = np.random.default_rng(8)
    for distance in (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 1000):
        noise, run = r.bytes(300), r.bytes(distance) * (1200 // distance + 2)
        tail = (noise + run + noise[:50] + run[:21] + r.bytes(9)) * 2
        items = len(tail) // 16
        data = packed(body(tail[: 16 * items]))
        room = native.Room(items)
        found = room.decode("aedat4", data, 0, (), (len(data), 1 << 30, 0))
        assert (found.used, found.num) == (len(data), items)
        np.testing.assert_array_equal(room.all()["t"], np.frombuffer(tail, "<i8", 2 * items)[::2])
        np.testing.assert_array_equal(room.all()["x"], np.frombuffer(tail, "<i2", 8 * items)[4::8])


def test_broken_frames_of_lz4_are_left_to_the_library(tmp_path):
    plain, r = bodies(200, 1)[0], np.random.default_rng(2)
    good = packed(plain, content_checksum=True, block_checksum=True)
    took = 0
    for _ in range(300):
        frame = bytearray(good)
        frame[int(r.integers(8, len(good)))] ^= 1 << int(r.integers(0, 8))
        room = native.Room(4000)
        if room.decode("aedat4", bytes(frame), 0, (), (len(frame), 1 << 30, 0)).used:
            took += 1  # what was changed has no meaning to the library either
            assert unpack.unpack(bytes(frame[8:])) == plain
    assert took == 0


def test_packets_that_need_more_room_say_how_much():
    data = b"".join(packed(each) for each in bodies(500, 3))
    room = SOME(1100, piece=64)
    found = room.decode("aedat4", data, 0, (), (len(data), 1 << 30, 0))
    assert (found.num, found.state[0]) == (1000, 500)
    room.more(500)
    rest = room.decode("aedat4", data, 0, (), (len(data) - found.used, 1 << 30, 0), skip=found.used)
    assert (rest.num, rest.state[0], found.used + rest.used) == (500, 0, len(data))


@pytest.mark.parametrize("threads", [1, 4])
def test_no_packet_is_begun_after_enough_events(threads):
    data = b"".join(packed(each) for each in bodies(500, 9))
    found = native.Room(5000, threads=threads, piece=64).decode("aedat4", data, 0, (), (len(data), 1001, 0))
    assert found.num == 1500


def test_frames_of_the_camera_are_counted_by_their_stream_and_samples_by_their_kind():
    samples = bodies(2, 1)[0].replace(b"EVTS", b"IMUS")
    data = struct.pack("<ii", 5, 4000) + bytes(4000) + packed(samples) + packed(samples.replace(b"IMUS", b"TRIG"))
    found = native.Room(64).decode("aedat4", data + packed(bodies(7, 1)[0]), 0, (), (1 << 30, 1 << 30, 1 << 5))
    assert (found.kinds[:3], found.num) == ([1, 2, 2], 7)


def test_a_large_recording_is_read_on_the_threads_of_torch(tmp_path):
    """Without any argument of the tests: more than 2 MiB."""
    made = events("dat", num=400_000)
    dat.write(tmp_path / "a", made)
    compiled, twin, start = both(tmp_path / "a", "dat")
    data = (tmp_path / "a").read_bytes()
    ours, law = walk(compiled, data, start, 1 << 30), walk(twin, data, start, 1 << 30)
    for mine, theirs in zip(ours[0], law[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(open_events(tmp_path / "a").read().t, made.t)
