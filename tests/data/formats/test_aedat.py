import struct
from dataclasses import replace

import numpy as np
import pytest

from ranvier.core.errors import EventFormatError, MissingExtraError, ShapeError
from ranvier.data import Events, open_events
from ranvier.data.formats import aedat2, aedat3, aedat4, native, unpack
from tests.data.formats.battery import same, some_events


def aedat2_file(path, words, chip="DVS128"):
    head = f"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.{chip}\r\n".encode()
    path.write_bytes(head + b"".join(struct.pack(">II", *word) for word in words))
    return path


def test_dvs128_addresses_mean_what_jaer_says(tmp_path):
    path = aedat2_file(tmp_path / "a", [(5 << 8 | 3 << 1 | 1, 7), (100 << 8 | 127 << 1, 8)])
    events = open_events(path).read()
    assert (events.size, events.t.tolist()) == ((128, 128), [7, 8])
    assert (events.x.tolist(), events.y.tolist(), events.polarity.tolist()) == ([124, 0], [5, 100], [0, 1])


def test_davis_words_that_are_no_events_are_counted(tmp_path):
    words = [(1 << 31, 1), (179 << 22 | 239 << 12 | 1 << 11, 2), (1 << 10, 3)]
    events, report = open_events(aedat2_file(tmp_path / "a", words, "DAVIS240C")).read_with_report()
    assert (events.x.tolist(), events.y.tolist(), events.polarity.tolist()) == ([239], [179], [1])
    assert report.others == {"frame and IMU words": 1, "triggers": 1}


def test_aedat2_times_wrap_after_32_bits(tmp_path):
    words = [(0, t) for t in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 5)]
    times = open_events(aedat2_file(tmp_path / "a", words)).read().t.tolist()
    assert times == [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 32) + 5]


def packet(kind, records, *, size=8, overflow=0, capacity=None, number=None):
    number = len(records) // size if number is None else number
    return struct.pack("<HHIIIIII", kind, 1, size, 4, overflow, capacity or number, number, number) + records


def event3(t, x, y, p, valid=1):
    return struct.pack("<II", x << 17 | y << 2 | p << 1 | valid, t)


HEAD3 = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


def test_aedat3_packets_valid_bits_other_types_and_overflows(tmp_path):
    body = packet(1, event3(5, 1, 2, 1) + event3(6, 9, 9, 0, valid=0) + event3(7, 127, 3, 0))
    body += packet(3, bytes(36 * 2), size=36) + packet(0, bytes(8)) + packet(1, event3(8, 4, 5, 1), overflow=3)
    (tmp_path / "a").write_bytes(HEAD3 + body)
    events, report = open_events(tmp_path / "a").read_with_report()
    assert events.size == (128, 128)
    assert events.t.tolist() == [5, 7, (3 << 31) + 8]
    assert (events.x.tolist(), events.y.tolist(), events.polarity.tolist()) == ([1, 127, 4], [2, 3, 5], [1, 0, 1])
    assert report.others == {"events marked invalid": 1, "imu samples": 2, "special events": 1}


def test_aedat3_room_in_a_packet_beyond_its_events_is_passed_over(tmp_path):
    body = packet(1, event3(5, 1, 2, 1) + bytes(24), capacity=4, number=1) + packet(1, event3(6, 1, 2, 1))
    (tmp_path / "a").write_bytes(HEAD3 + body)
    assert open_events(tmp_path / "a").read().t.tolist() == [5, 6]


def test_aedat3_repair_goes_on_at_the_next_packet(tmp_path):
    first, second = (packet(1, b"".join(event3(s + i, i, i, 1) for i in range(50))) for s in (0, 100))
    broken = bytearray(first)
    broken[16:20] = b"\xff\xff\xff\x7f"  # capacity
    (tmp_path / "a").write_bytes(HEAD3 + bytes(broken) + b"garbage" + second)
    with pytest.raises(EventFormatError, match=rf"byte {len(HEAD3)}: expected a packet that ends within the file"):
        open_events(tmp_path / "a").read()
    events, report = open_events(tmp_path / "a", mode="repair").read_with_report()
    assert events.t.tolist() == list(range(100, 150))
    assert report.skipped_bytes == len(first) + 7


def test_aedat3_a_packet_that_is_cut_off_gives_what_is_there(tmp_path):
    (tmp_path / "a").write_bytes(HEAD3 + packet(1, b"".join(event3(i, i, i, 1) for i in range(50)))[:-85])
    events, report = open_events(tmp_path / "a", mode="repair").read_with_report()
    assert len(events) == 39
    assert report.skipped_bytes == 3


def test_aedat3_a_header_without_an_end_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(HEAD3[:40] + b"\n" + bytes(20))
    with pytest.raises(EventFormatError, match=r"expected a header from #!AER-DAT3.1 to #!END-HEADER"):
        open_events(tmp_path / "a")


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_aedat4_packed_and_plain_are_read_back(compression, tmp_path):
    events = some_events(70_000, start=1_600_000_000_000_000)
    aedat4.write(tmp_path / "a", events, compression=compression)
    recording = open_events(tmp_path / "a")
    assert recording.metadata["compression"] == compression
    assert recording.metadata["streams"] == {0: "EVTS"}
    assert recording.size == (48, 64)
    assert same(recording.read(), events)


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_aedat4_repair_skips_a_broken_packet_and_counts_its_bytes(compression, tmp_path):
    events = some_events(70_000)  # packets of 32768, 32768, 4464
    data = bytearray(aedat4.to_bytes(events, compression=compression))
    start = len(aedat4.to_bytes(events[:0]))
    length = int.from_bytes(data[start + 4 : start + 8], "little")
    at = start + 8 + 4
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(EventFormatError, match=rf"byte {start}: expected a readable packet, got"):
        open_events(tmp_path / "a").read()
    found, report = open_events(tmp_path / "a", mode="repair").read_with_report()
    assert same(found, events[32768:])
    assert report.skipped_bytes == length + 8


def test_aedat4_a_packet_that_would_fill_the_memory_is_refused(tmp_path):
    start = aedat4.to_bytes(some_events(0))
    for name in ("lz4.frame", "zstandard"):
        library = unpack.library(name)
        bomb = (library.compress if name == "lz4.frame" else library.ZstdCompressor().compress)(bytes(64 << 20))
        (tmp_path / "a").write_bytes(start + struct.pack("<ii", 0, len(bomb)) + bomb)
        with pytest.raises(EventFormatError, match=r"expected a readable packet, got a.* frame .*more than|declares"):
            open_events(tmp_path / "a").read()
        assert len(open_events(tmp_path / "a", mode="repair").read()) == 0


def test_aedat4_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    made = some_events(10)
    aedat4.write(tmp_path / "a", made, compression="zstd")
    aedat4.write(tmp_path / "b", made, compression="lz4")
    twin = open_events(tmp_path / "b")
    twin = replace(twin, reader=replace(twin.reader, compiled=None))

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(unpack, "import_module", absent)
    with pytest.raises(
        MissingExtraError,
        match=r"expected the package zstandard, got none. pip install zstandard, or pip install 'ranvier\[events\]'",
    ):
        open_events(tmp_path / "a").read()
    with pytest.raises(MissingExtraError, match="expected the package lz4, got none"):
        twin.read()
    if native.absence() is None:  # which unpacks what is sound by itself
        assert same(open_events(tmp_path / "b").read(), made)


def test_aedat4_an_index_table_is_no_packet_and_a_missing_one_is_told(tmp_path):
    events = some_events(100)
    data = aedat4.to_bytes(events)
    at = data.index(struct.pack("<iq", 0, -1)) + 4
    whole = data[:at] + struct.pack("<q", len(data)) + data[at + 8 :]
    (tmp_path / "a").write_bytes(whole + b"an index table of any content")
    assert same(open_events(tmp_path / "a").read(), events)
    (tmp_path / "a").write_bytes(whole[: at + 8] and whole[:at] + struct.pack("<q", len(data) + 99) + whole[at + 8 :])
    with pytest.raises(
        EventFormatError, match=rf"expected {len(data) + 99} bytes before the index table, got {len(data)}"
    ):
        open_events(tmp_path / "a").read()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"#!AER-DAT4.0\r\n" + bytes(40), r"expected #!AER-DAT4.0 and a header IOHE"),
        (
            b"#!AER-DAT4.0\r\n\xff\xff\xff\x7f\0\0\0\0IOHE",
            r"expected a header of at most 8 bytes, got 2147483647 declared",
        ),
        (b"#!AER-DAT4.0\r\n\x08\0\0\0\xff\0\0\0IOHE", r"expected a sound header, got an offset to byte 255 of 8"),
    ],
)
def test_aedat4_broken_headers_are_refused(data, text, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(EventFormatError, match=text):
        open_events(tmp_path / "a")


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ShapeError, match=r"aedat2: expected a sensor of at most 512 x 1024 for DAVIS"):
        aedat2.to_bytes(Events.of([0], [0], [0], [0], size=(600, 4)))
    with pytest.raises(ShapeError, match=r"aedat3: expected times from 0 us"):
        aedat3.to_bytes(Events.of([-1], [0], [0], [0], size=(4, 4)))
    times = np.arange(5000) << 33
    with pytest.raises(ShapeError, match=r"aedat2: expected at most 4096 gaps longer than its counter of 32 bits"):
        aedat2.to_bytes(Events.of(times, times * 0, times * 0, times * 0, size=(4, 4)))
