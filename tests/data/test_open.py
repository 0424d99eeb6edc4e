import gzip
import pickle
import tracemalloc

import numpy as np
import pytest

from ranvier.core.errors import ConfigError, DataError, EventFormatError, FormatError, UnknownNameError
from ranvier.data import Events, open_events
from ranvier.data.formats import FORMATS, aedat2, dat
from tests.data.formats.battery import same, some_events


def written(path, events, name="dat"):
    next(known for known in FORMATS if known.name == name).write(path, events)
    return path


def test_the_facts_of_a_recording(tmp_path):
    events = some_events(100, start=1 << 40)
    recording = open_events(written(tmp_path / "a", events))
    assert recording.format.name == "dat"
    assert recording.size == (48, 64)
    assert recording.size_is_known
    assert (recording.num_events, recording.t_first) == (100, events.t[0])
    assert recording.duration == events.duration
    assert recording.metadata["Height"] == "48"
    assert recording.report.clean
    assert recording.report.lines() == ["100 events"]


@pytest.mark.parametrize("num", [1, 7, 100, 999, 1000, 1001, 5000])
def test_blocks_have_the_number_of_events_that_was_asked_for(num, tmp_path):
    events = some_events(1000)
    blocks = list(open_events(written(tmp_path / "a", events), chunk_bytes=700).blocks(num))
    assert [len(block) for block in blocks] == [num] * (1000 // num) + ([1000 % num] if 1000 % num else [])
    assert same(
        Events(*(np.concatenate([getattr(b, n) for b in blocks]) for n in ("t", "x", "y", "polarity")), events.size),
        events,
    )


def test_blocks_of_a_long_recording_take_little_memory(tmp_path):
    path = written(tmp_path / "a", some_events(2_000_000))
    tracemalloc.start()
    total = sum(len(block) for block in open_events(path, chunk_bytes=1 << 16).blocks(10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 2_000_000
    assert peak < 6 << 20  # the file is 16 MB, its events 26 MB


def test_a_size_that_no_file_tells_is_that_of_the_largest_pixel_unless_given(tmp_path):
    data = dat.to_bytes(Events.of([1, 2], [3, 9], [5, 2], [0, 1], size=(48, 64)))
    (tmp_path / "a").write_bytes(data.replace(b"% Height 48\n% Width 64\n", b""))
    recording = open_events(tmp_path / "a")
    assert recording.size == (6, 10)
    assert not recording.size_is_known
    assert open_events(tmp_path / "a", size=(100, 200)).size == (100, 200)
    with pytest.raises(EventFormatError, match=r"expected a pixel of a sensor of 6 x 9 .*, got x = 9, y = 2"):
        open_events(tmp_path / "a", size=(6, 9)).read()


def test_the_error_of_strict_mode_names_path_byte_reason_and_mend(tmp_path):
    path = written(tmp_path / "a", Events.of([5, 9], [1, 1], [1, 1], [0, 1], size=(4, 4)))
    data = path.read_bytes()
    path.write_bytes(data[:-8] + b"\4\0\0\0" + data[-4:])
    text = r"a: byte (\d+): expected a time >= 5 us, that of the event before, got 4 us. Read it with mode=\"repair\""
    with pytest.raises(EventFormatError, match=text) as caught:
        open_events(path).read()
    assert isinstance(caught.value, FormatError)
    assert (caught.value.path, caught.value.offset) == (str(path), len(data) - 8)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.offset) == (str(caught.value), caught.value.offset)


def test_repair_counts_every_byte_and_event(tmp_path):
    events = some_events(50, gap=3000)
    data = dat.to_bytes(events)
    start = len(data) - 400
    broken = bytearray(data + b"abc")
    broken[start + 80 + 4 : start + 80 + 8] = b"\xff\xff\xff\x0f"  # event 10: off the sensor
    (tmp_path / "a").write_bytes(broken)
    found, report = open_events(tmp_path / "a", mode="repair").read_with_report()
    assert len(found) == 49
    assert (report.skipped_bytes, report.dropped_events, report.changed_events) == (3, 1, 0)
    assert set(report.faults) == {"partial record", "off the sensor"}
    assert report.faults["off the sensor"].at == start + 80
    assert report.faults["partial record"].at == len(data)
    assert "partial record: 1 times, first at" in "\n".join(report.lines())
    assert open_events(tmp_path / "a", mode="repair").report == report


def test_a_backward_jump_at_a_block_border_is_found(tmp_path):
    a, b = some_events(100, gap=300), some_events(100, gap=300)
    data = dat.to_bytes(a) + dat.to_bytes(b)[-800:]
    (tmp_path / "a").write_bytes(data)
    for chunk in (8, 800, 1 << 20):
        with pytest.raises(EventFormatError, match=rf"byte {len(data) - 800}: expected a time >="):
            open_events(tmp_path / "a", chunk_bytes=chunk).read()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", r"expected a known format \(.*dat.*\), got an empty file"),
        (b"hello world", r"got 11 bytes that begin with b'hello world'. If you know the format, name it"),
        (gzip.compress(b"hello", mtime=0), r"expected a known format"),
        (bytes(1000), r"expected a known format"),
    ],
)
def test_what_is_no_recording_is_refused(data, text, tmp_path):
    (tmp_path / "a.raw").write_bytes(data)
    with pytest.raises(EventFormatError, match=text):
        open_events(tmp_path / "a.raw")


def test_wrong_arguments_are_named(tmp_path):
    path = written(tmp_path / "a", some_events(3))
    with pytest.raises(ConfigError, match=r"open_events: expected mode strict or repair, got 'lenient'"):
        open_events(path, mode="lenient")
    with pytest.raises(ConfigError, match=r"expected chunk_bytes >= 1, got 0"):
        open_events(path, chunk_bytes=0)
    with pytest.raises(ConfigError, match=r"expected size \(height, width\) of 1 to 32768 each"):
        open_events(path, size=(0, 4))
    with pytest.raises(UnknownNameError, match=r"got 'dta'. Did you mean 'dat'"):
        open_events(path, format="dta")
    with pytest.raises(DataError, match=r"expected a readable file, got .*No such file"):
        open_events(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"Recording.blocks: expected num >= 1"):
        list(open_events(path).blocks(0))
    with pytest.raises(ConfigError, match=r"Recording.take: expected numbers >= 0"):
        open_events(path).take(-1, 2)


def test_a_format_with_options_is_a_value(tmp_path):
    events = some_events(20, name="aedat2")
    aedat2.write(tmp_path / "a", events)
    upright = open_events(tmp_path / "a", format=aedat2.with_profile(aedat2.DAVIS240.upright())).read()
    np.testing.assert_array_equal(upright.x, 239 - events.x)
    np.testing.assert_array_equal(upright.y, 179 - events.y)
