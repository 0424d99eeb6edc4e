import pytest

from ranvier.core.errors import EventFormatError
from ranvier.data import open_events
from ranvier.data.formats import es_streams

# The event_stream package, version 1.6.3, reads from these messages at 3, 3 and 700 us ...
GENERIC = b"Event Stream\x02\x00\x00\x00\x03\nhello\x00\x04\xff\xfe\xff\xff\xbd\x91\x02" + b"x" * 200
# ... and these pixels (1, 0), (2, 5), (19, 9) from below, of a sensor of 20 x 10, at 0, 253 and 1000 us.
COLOUR = (
    b"Event Stream\x02\x00\x00\x04\x14\x00\n\x00\x00\x01\x00\x00\x00\x01\x04\x07\xfd\x02\x00\x05\x00\x02\x05\x08"
    b"\xff\xff\xef\x13\x00\t\x00\x03\x06\xff"
)


def test_messages_are_dated_bytes(tmp_path):
    (tmp_path / "a").write_bytes(GENERIC)
    found = list(es_streams.read_generic(tmp_path / "a"))
    assert found == [(3, b"hello"), (3, b"\xff\xfe"), (700, b"x" * 200)]


def test_colours_lie_where_they_were_seen(tmp_path):
    (tmp_path / "a").write_bytes(COLOUR)
    t, x, y, rgb, size = es_streams.read_colour(tmp_path / "a")
    assert size == (10, 20)
    assert (t.tolist(), x.tolist(), y.tolist()) == ([0, 253, 1000], [1, 2, 19], [9, 4, 0])
    assert rgb.tolist() == [[1, 4, 7], [2, 5, 8], [3, 6, 255]]


def test_long_streams_with_many_overflows_keep_their_records(tmp_path):
    records = b"".join(
        b"\xff" * (i % 4) + bytes([i % 250, i % 20, 0, i % 10, 0, 254, 255, i % 256]) for i in range(5000)
    )
    (tmp_path / "a").write_bytes(COLOUR[:20] + records)
    t, x, _, rgb, _ = es_streams.read_colour(tmp_path / "a")
    assert x.tolist() == [i % 20 for i in range(5000)]
    assert rgb[:, 2].tolist() == [i % 256 for i in range(5000)]
    assert int(t[-1]) == sum(254 * (i % 4) + i % 250 for i in range(5000))


def test_opening_one_as_events_says_who_reads_it(tmp_path):
    for data, name in ((GENERIC, "read_generic"), (COLOUR, "read_colour")):
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(EventFormatError, match=rf"type 1 .* It is read by formats.es_streams.{name}\(path\)"):
            open_events(tmp_path / "a")


@pytest.mark.parametrize(
    ("read", "data", "text"),
    [
        ("colour", GENERIC, r"byte 15: expected type 4, got 0"),
        ("generic", COLOUR, r"byte 15: expected type 0, got 4"),
        ("colour", b"RIFF", r"byte 0: expected an Event Stream header of version 2"),
        ("colour", COLOUR[:18], r"byte 16: expected a width and a height, got the end of the file"),
        ("colour", COLOUR[:16] + bytes(4), r"byte 16: expected sides of 1 to 32768 pixels, got width 0, height 0"),
        ("colour", COLOUR[:-1], r"byte 38: expected records of 8 bytes, got 7 bytes at the end"),
        (
            "colour",
            COLOUR[:20] + b"\0\x14" + bytes(6),
            r"byte 20: expected a pixel of a sensor of 10 x 20 .*, got x = 20",
        ),
        ("generic", GENERIC[:20], r"byte 16: expected a message of at most 2 bytes, got 5 declared"),
        ("generic", GENERIC[:16] + b"\0\xff", r"byte 16: expected the size of a message, got the end of the file"),
        (
            "generic",
            GENERIC[:16] + b"\0" + b"\xff" * 9,
            r"byte 16: expected the size of a message, got .*too many bytes",
        ),
    ],
)
def test_broken_streams_are_refused(tmp_path, read, data, text):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(EventFormatError, match=text):
        list(getattr(es_streams, f"read_{read}")(tmp_path / "a"))
