"""Packets of AEDAT 4, many at once, and LZ4 frames, two at once: what the compiled decoder takes is what the library and
the twin make of it."""

import struct
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ranvier.data import Events, open_events
from ranvier.data.formats import aedat4, native, unpack
from tests.data.formats.test_compiled import check
from tests.data.formats.test_parts import bodies, body, packed

pytestmark = pytest.mark.skipif(native.absence() is not None, reason=str(native.absence()))
HEAD = aedat4.to_bytes(Events.of([], [], [], [], size=(48, 64)))


def plain(flat, stream=0):
    return struct.pack("<ii", stream, len(flat)) + flat


def mixed(seed):
    """Packets small and large, packed and plain, of events and of others, in a row."""
    r = np.random.default_rng(seed)
    found = []
    for number in range(40):
        flat = bodies(int(r.choice([0, 1, 20, 300, 4000, 30_000], p=[0.1, 0.1, 0.3, 0.3, 0.15, 0.05])), 1, seed=number)[
            0
        ]
        if r.random() < 0.3:
            flat = flat.replace(b"EVTS", bytes(r.choice([b"IMUS", b"TRIG"])))
        linked, sized = bool(r.integers(0, 2)), bool(r.integers(0, 2))
        found.append(packed(flat, block_linked=linked, store_size=sized) if r.random() < 0.7 else plain(flat))
    return found


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_packets_of_all_sizes_in_a_row_are_the_twins(seed, threads, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "Room", partial(native.Room, threads=threads, piece=64))
    data = HEAD + b"".join(mixed(seed))
    check(tmp_path / "a", "aedat4", data, (1 << 30, 100_001))


@pytest.mark.parametrize("which", [0, 1, 2, 7, 25, 39])
def test_a_broken_packet_among_many_stops_neither_those_before_nor_those_after(which, tmp_path):
    packets = [packed(flat) for flat in bodies(60, 40)]
    sound = bytearray(packets[which])
    sound[30] ^= 255
    packets[which] = bytes(sound)
    assert check(tmp_path / "a", "aedat4", HEAD + b"".join(packets), (1 << 30,)) <= 1
    zstd = plain(unpack.library("zstandard").compress(bodies(60, 1)[0]))
    packets[which] = zstd
    assert check(tmp_path / "a", "aedat4", HEAD + b"".join(packets), (1 << 30,)) == 0


def test_packets_that_unpack_to_more_than_a_thread_has_room_for_are_read_all_the_same(tmp_path):
    packets = [packed(body(bytes(16 * 50_000))) for _ in range(12)]  # 800 kB each, of 3 kB
    assert sum(map(len, packets)) < 1 << 16
    assert check(tmp_path / "a", "aedat4", HEAD + b"".join(packets), (1 << 30,)) == 0
    room = native.Room(13 * 50_000, threads=1)
    data, took = b"".join(packets), 0
    while took < len(data):
        took += room.decode("aedat4", data, 0, (), (len(data) - took, 1 << 30, 0), skip=took).used
    assert room.num == 12 * 50_000


def patterned(r, num):
    """Bytes like those of events: numbers that repeat what lies before them but for a few bytes."""
    words = bytearray(r.bytes(16))
    while len(words) < num:
        back = int(r.choice([1, 5, 7, 8, 15, 16, 16, 32, 48, 160]))
        length = int(r.choice([4, 5, 7, 8, 12, 13, 16, 18, 30]))
        if back <= len(words):
            for _ in range(length):
                words.append(words[-back])
        words += r.bytes(int(r.integers(0, 4)) if r.random() < 0.9 else int(r.integers(4, 20)))
    return bytes(words[:num])


@pytest.mark.parametrize("seed", range(6))
def test_two_frames_at_once_unpack_to_what_the_library_makes_of_each(seed):
    r = np.random.default_rng(seed)
    texts = [patterned(r, 16 * int(r.choice([1, 3, 40, 900, 9000]))) for _ in range(13)]
    data = b"".join(packed(body(text)) for text in texts)
    room = native.Room(sum(map(len, texts)) // 16)
    found = room.decode("aedat4", data, 0, (), (len(data), 1 << 30, 0))
    assert (found.used, found.num) == (len(data), sum(map(len, texts)) // 16)
    t, x, y, _ = room.all().values()
    want = np.frombuffer(b"".join(texts), aedat4._EVENT)
    np.testing.assert_array_equal(t, want["t"])
    np.testing.assert_array_equal(x, want["x"])
    np.testing.assert_array_equal(y, want["y"])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_unpacked_of_changed_frames_is_what_the_library_unpacks(seed):
    r = np.random.default_rng(seed)
    good, took, refused = packed(body(patterned(r, 1600))), 0, 0
    beside = packed(body(patterned(r, 3200)))
    for _ in range(800):
        frame = bytearray(good)
        for _ in range(int(r.integers(1, 4))):
            frame[int(r.integers(23, len(good)))] = int(r.integers(0, 256))
        data = bytes(frame) + beside
        room = native.Room(4000)
        found = room.decode("aedat4", data, 0, (), (len(data), 1 << 30, 0))
        try:
            law = unpack.unpack(bytes(frame[8:]))
        except unpack.Refused:
            assert not found.used
            refused += 1
            continue
        if not found.used:  # no packet of events, or a frame that only the library takes
            continue
        took += 1
        t = room.all()["t"][: found.num - 200]
        np.testing.assert_array_equal(t, np.frombuffer(law[-1600:], aedat4._EVENT)["t"][: len(t)])
    assert took > 50
    assert refused > 50


@pytest.mark.parametrize("seed", range(3))
def test_packets_of_a_file_are_those_of_its_bytes(seed, tmp_path):
    large = packed(bodies(30_000, 1)[0])
    parts = [
        *mixed(seed),
        large,
        plain(bodies(20, 1)[0]),
        large,
        large,
        plain(bodies(30_000, 1)[0]),
        large,
        mixed(seed)[0],
    ]
    (tmp_path / "a").write_bytes(HEAD + b"".join(parts))
    recording = open_events(tmp_path / "a", mode="repair")
    twin = replace(recording, reader=replace(recording.reader, compiled=None))
    (ours, report), (law, told) = recording.read_with_report(), twin.read_with_report()
    assert report == told
    assert len(ours) > 90_000
    np.testing.assert_array_equal(ours.t, law.t)
    np.testing.assert_array_equal(ours.x, law.x)


@pytest.mark.parametrize("tail", range(1, 24))
def test_ends_of_blocks_that_the_library_refuses_are_refused(tail):
    head = unpack.library("lz4.frame").compress(bytes(1 << 17), store_size=False, block_linked=True)[:7]
    last = (bytes([tail << 4]) if tail < 15 else bytes([0xF0, tail - 15])) + bytes(tail)
    for num in range(4, 11):
        for literals in range(7):
            items = (literals + num + tail) // 16 + 5
            flat = body(bytes(16 * items))
            first = flat[: len(flat) - 16 * items + 80]
            # a stored block, then one of a match of what lies 16 bytes back and the last literals
            block = bytes([literals << 4 | num - 4]) + bytes(literals) + bytes([16, 0]) + last
            frame = (
                head
                + struct.pack("<I", len(first) | 1 << 31)
                + first
                + struct.pack("<I", len(block))
                + block
                + bytes(4)
            )
            found = native.Room(100).decode("aedat4", plain(frame), 0, (), (len(frame) + 8, 1 << 30, 0))
            try:
                unpack.unpack(frame)
            except unpack.Refused:
                assert not found.used, (num, literals, tail)
            else:
                assert bool(found.used) == (tail >= 5 and num + tail >= 12), (num, literals, tail)
