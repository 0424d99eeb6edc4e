import numpy as np
import pytest

from ranvier.core.errors import EventFormatError, ShapeError
from ranvier.data import Events, open_events
from ranvier.data.formats import es


def slow_starts(alone):
    at, found = 0, []
    while at < len(alone):
        found.append(at)
        at += 1 if alone[at] else 5
    return found


@pytest.mark.parametrize("density", [0.0, 0.001, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("size", [0, 1, 4, 5, 6, 99, 5000, 40_000])
def test_records_are_found_as_by_one_step_at_a_time(density, size):
    alone = np.random.default_rng(size).random(size) < density
    assert es.record_starts(alone).tolist() == slow_starts(alone.tolist())


def stream(kind, body, width=300, height=200):
    return b"Event Stream\2\0\0" + bytes([kind]) + width.to_bytes(2, "little") + height.to_bytes(2, "little") + body


def test_dvs_bytes_lie_where_the_specification_says(tmp_path):
    body = bytes([5 << 1 | 1, 43, 1, 7, 0, 255, 255, 254, 126 << 1, 1, 0, 199, 0])
    (tmp_path / "a").write_bytes(stream(es.DVS, body))
    events = open_events(tmp_path / "a").read()
    assert events.size == (200, 300)
    assert events.t.tolist() == [5, 5 + 127 + 127 + 126]
    assert events.x.tolist() == [256 + 43, 1]
    assert (events.y.tolist(), events.polarity.tolist()) == ([199 - 7, 0], [1, 0])


def test_atis_bytes_lie_where_the_specification_says(tmp_path):
    body = bytes([3 << 2 | 2, 1, 0, 2, 0, 0xFC | 3, 1 << 2 | 1, 9, 0, 9, 0, 0xFC, 0 << 2, 4, 0, 5, 0])
    (tmp_path / "a").write_bytes(stream(es.ATIS, body))
    events, report = open_events(tmp_path / "a").read_with_report()
    assert events.t.tolist() == [3, 3 + 189 + 1]
    assert (events.x.tolist(), events.polarity.tolist()) == ([1, 4], [1, 0])
    assert report.others == {"exposure events": 1}


def test_atis_is_written_too(tmp_path):
    events = Events.of([0, 62, 63, 5000], [1, 2, 3, 4], [5, 6, 7, 8], [0, 1, 0, 1], size=(10, 10))
    (tmp_path / "a").write_bytes(es.to_bytes(events, kind=es.ATIS))
    back = open_events(tmp_path / "a").read()
    assert back.t.tolist() == events.t.tolist()
    assert back.polarity.tolist() == events.polarity.tolist()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Event Stream\1\0\0\1", r"byte 12: expected version 2, got 1.0.0"),
        (stream(0, b""), r"byte 15: expected type 1 \(DVS\) or 2 \(ATIS\), got 0 \(generic\)"),
        (stream(1, b"")[:-2], r"byte 16: expected a width and a height, got the end of the file"),
        (stream(1, b"", width=0), r"byte 16: expected sides of 1 to 32768 pixels, got width 0, height 200"),
        (stream(1, b"\2\1\0"), r"byte 20: expected records of 5 bytes, got 3 bytes at the end"),
        (stream(1, b"\2\1\0\xc8\0"), r"byte 20: expected a pixel of a sensor of 200 x 300 .*, got x = 1, y = -1"),
    ],
)
def test_broken_bytes_are_named(data, text, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(EventFormatError, match=text):
        open_events(tmp_path / "a").read()


def test_a_gap_that_would_fill_the_disk_is_refused():
    with pytest.raises(ShapeError, match=r"expected at most 134217728 overflows of 127 us"):
        es.to_bytes(Events.of([1 << 53], [0], [0], [0], size=(4, 4)))
