import struct

import pytest

from ranvier.core.errors import EventFormatError, ShapeError
from ranvier.data import Events, open_events
from ranvier.data.formats import dat

HEADER = b"% Data file containing CD events.\n% Version 2\n% Height 100\n% Width 200\n\x0c\x08"


def test_the_bits_of_version_2_lie_where_the_documentation_says(tmp_path):
    (tmp_path / "a").write_bytes(HEADER + struct.pack("<IIII", 5, 199 | 99 << 14 | 1 << 28, 6, 3 | 4 << 14))
    events = open_events(tmp_path / "a").read()
    assert events.size == (100, 200)
    assert (events.t.tolist(), events.x.tolist(), events.y.tolist()) == ([5, 6], [199, 3], [99, 4])
    assert events.polarity.tolist() == [1, 0]


def test_the_bits_of_version_1_lie_where_the_documentation_says(tmp_path):
    header = b"% Data file containing Event2D events.\n% Version 1\n\x00\x08"
    (tmp_path / "a").write_bytes(header + struct.pack("<II", 5, 303 | 239 << 9 | 1 << 17))
    events = open_events(tmp_path / "a").read()
    assert (events.x.tolist(), events.y.tolist(), events.polarity.tolist()) == ([303], [239], [1])


def test_files_without_the_two_bytes_of_type_and_size_are_read(tmp_path):
    (tmp_path / "a").write_bytes(HEADER[:-2] + struct.pack("<II", 1000, 3 | 4 << 14))
    assert open_events(tmp_path / "a").read().t.tolist() == [1000]


def test_32_bits_of_time_are_unrolled(tmp_path):
    times = [0, 1 << 31, (1 << 32) - 1, 4, 1 << 31, (1 << 32) - 9, 3]
    (tmp_path / "a").write_bytes(HEADER + b"".join(struct.pack("<II", t, 0) for t in times))
    wraps = [0, 0, 0, 1, 1, 1, 2]
    assert open_events(tmp_path / "a").read().t.tolist() == [t + (w << 32) for t, w in zip(times, wraps, strict=True)]


def test_triggers_are_counted(tmp_path):
    (tmp_path / "a").write_bytes(HEADER[:-2] + b"\x0e\x08" + bytes(24))
    assert open_events(tmp_path / "a").report.others == {"triggers": 3}


def test_gaps_that_32_bits_cannot_show_stand_in_the_header():
    data = dat.to_bytes(Events.of([0, 1 << 33], [0, 0], [0, 0], [0, 0], size=(4, 4)))
    assert b"% t_wraps 1 2\n" in data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (HEADER.replace(b"Version 2", b"Version 3") + bytes(8), r"header: expected DAT version 1 or 2, got '3'"),
        (HEADER[:-2] + b"\x09\x09" + bytes(8), r"expected event type 0, 12 or 14 and record size 8, got 0909"),
        (HEADER + bytes(12), r"byte 81: expected records of 8 bytes, got 4 bytes at the end"),
        (HEADER + struct.pack("<II", 5, 200), r"byte 73: expected a pixel .*, got x = 200, y = 0"),
        (HEADER + struct.pack("<II", 5, 7 << 28), r"byte 73: expected a polarity of 0 or 1, got 7"),
    ],
)
def test_broken_bytes_are_named(data, text, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(EventFormatError, match=text):
        open_events(tmp_path / "a").read()


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ShapeError, match=r"expected a sensor of at most 16384 pixels a side"):
        dat.to_bytes(Events.of([0], [0], [0], [0], size=(4, 16385)))
