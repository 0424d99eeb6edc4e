"""EVT 2.0, 2.1 and 3.0 against decoders that take one word at a time, written from the documentation."""

import numpy as np
import pytest

from ranvier.core.errors import ShapeError
from ranvier.data import Events, open_events
from ranvier.data.formats import evt2, evt3, evt21


def slow_evt3(words):
    """Decode word by word: [(t, x, y, p)], how many events had no time, row or base yet."""
    high = low = y = base = sign = None
    wraps, out, untimed = 0, [], 0
    for word in words:
        kind, value = word >> 12, word & 0xFFF
        if kind == 0:
            y = value & 0x7FF
        elif kind == 3:
            base, sign = value & 0x7FF, value >> 11
        elif kind == 6:
            low = value
        elif kind == 8:
            if high is not None and value < high - 2048:
                wraps += 1
            if value != high:
                low = 0
            high = value
        found = []
        if kind == 2:
            found = [(value & 0x7FF, value >> 11)]
        elif kind in (4, 5):
            size = 12 if kind == 4 else 8
            found = [(None if base is None else base + i, sign) for i in range(size) if value >> i & 1]
            base = None if base is None else base + size
        for x, p in found:
            if high is None or y is None or x is None:
                untimed += 1
            else:
                out.append(((wraps << 24) + (high << 12 | low), x, y, p))
    return out, untimed


def rows(events):
    return list(zip(*(getattr(events, name).tolist() for name in ("t", "x", "y", "polarity")), strict=True))


def raw(path, version, words, dtype, *, geometry="2048x2048", more=""):
    header = f"% evt {version}\n% geometry {geometry}\n{more}% end\n".encode()
    path.write_bytes(header + np.array(words, dtype).tobytes())
    return path


@pytest.mark.parametrize("seed", range(8))
def test_evt3_agrees_with_a_decoder_that_takes_one_word_at_a_time(seed, tmp_path):
    r = np.random.default_rng(seed)
    kinds = r.choice([0, 2, 3, 4, 5, 6, 8, 10, 14], 3000, p=[0.1, 0.25, 0.1, 0.15, 0.1, 0.15, 0.05, 0.05, 0.05])
    values = r.integers(0, 1 << 12, 3000)
    clock = np.cumsum(r.integers(0, 300, 3000))  # highs rise and wrap; lows rise in between
    values = np.where(kinds == 8, clock // 100 % 4096, values)
    values = np.where(kinds == 6, r.integers(0, 4096, 3000), values)
    words = (kinds << 12 | values).tolist()
    expected, untimed = slow_evt3(words)
    state, chunks, position = evt3.State(), [], 0
    data = np.array(words, "<u2").tobytes()
    for cut in np.append(np.sort(r.integers(0, len(data), 5)), len(data)).tolist():
        found = evt3.decode(data[position:cut], position, len(data), state)
        if found.used:
            chunks.append(found.chunk)
            state, position = found.state, position + found.used
    got = [row for c in chunks for row in zip(*(np.asarray(column).tolist() for column in c.columns[:4]), strict=True)]
    assert len(expected) > 3000
    assert got == expected
    assert sum(c.others.get("untimed", 0) for c in chunks) == untimed
    assert sum(c.others.get("triggers", 0) for c in chunks) == int((kinds == 10).sum())


@pytest.mark.parametrize("num", [1, 8, 12, 32])
def test_evt3_vectors_give_neighbours(num, tmp_path):
    words = [8 << 12 | 1, 6 << 12 | 5, 0 << 12 | 7, 3 << 12 | 1 << 11 | 100]
    left = num
    while left > 0:
        size, kind = (12, 4) if left > 8 else (8, 5)
        words.append(kind << 12 | (1 << min(left, size)) - 1)
        left -= size
    events = open_events(raw(tmp_path / "a", "3.0", words, "<u2")).read()
    assert rows(events) == [(1 << 12 | 5, 100 + i, 7, 1) for i in range(num)]


def test_evt3_a_low_that_steps_back_is_no_wrap(tmp_path):
    words = [8 << 12 | 9, 6 << 12 | 811, 6 << 12 | 800, 0, 2 << 12 | 1]
    assert open_events(raw(tmp_path / "a", "3.0", words, "<u2")).read().t.tolist() == [9 << 12 | 800]


def test_evt3_a_new_high_makes_the_low_0_and_a_repeated_one_does_not(tmp_path):
    words = [0, 8 << 12 | 9, 6 << 12 | 50, 8 << 12 | 9, 2 << 12 | 1, 8 << 12 | 10, 2 << 12 | 2]
    assert open_events(raw(tmp_path / "a", "3.0", words, "<u2")).read().t.tolist() == [9 << 12 | 50, 10 << 12]


def word2(kind, t, x=0, y=0):
    return kind << 28 | (t & 63) << 22 | x << 11 | y if kind != 8 else 8 << 28 | t >> 6


def test_evt2_bits_lie_where_the_documentation_says(tmp_path):
    words = [word2(8, 6400), word2(1, 6401, 2047, 3), word2(10, 6402), word2(0, 6403, 4, 5), word2(14, 0)]
    events, report = open_events(raw(tmp_path / "a", "2.0", words, "<u4")).read_with_report()
    assert rows(events) == [(6401, 2047, 3, 1), (6403, 4, 5, 0)]
    assert report.others == {"triggers": 1, "vendor words": 1}


def test_evt2_wraps_after_34_bits_and_a_small_step_back_is_none(tmp_path):
    top = (1 << 28) - 1
    words = [8 << 28 | top, word2(0, 1), 8 << 28, word2(0, 2), 8 << 28 | 5, word2(1, 0), 8 << 28 | 4, word2(1, 1)]
    path = raw(tmp_path / "a", "2.0", words, "<u4")
    events, report = open_events(path, mode="repair").read_with_report()
    wrap = 1 << 34
    assert events.t.tolist() == [(top << 6) + 1, wrap + 2, wrap + 320, wrap + 320]
    assert report.faults["backward time"].changed == 1


@pytest.mark.parametrize(("version", "dtype"), [("2.0", "<u4"), ("3.0", "<u2"), ("2.1", "<u8")])
def test_events_before_the_first_time_are_counted_and_left_out(version, dtype, tmp_path):
    words = {
        "2.0": [word2(1, 5, 1, 1), word2(8, 640), word2(1, 641, 2, 2)],
        "3.0": [0, 2 << 12 | 9, 8 << 12, 2 << 12 | 1],
        "2.1": [1 << 60 | 0b11, 8 << 60 | 10 << 32, 1 << 60 | 1],
    }[version]
    events, report = open_events(raw(tmp_path / "a", version, words, dtype)).read_with_report()
    assert len(events) == 1
    assert report.others == {"untimed": 2 if version == "2.1" else 1}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_evt21_both_layouts_are_found_out(legacy, told, tmp_path):
    words = [8 << 60 | 100 << 32]
    words += [1 << 60 | 7 << 54 | (32 * i) << 43 | 9 << 32 | 0x40000001 for i in range(20)]
    if legacy:
        words = [word >> 32 | (word & 0xFFFFFFFF) << 32 for word in words]
    more = "% format EVT21;height=2048;width=2048;endianness=legacy\n" if legacy and told else ""
    recording = open_events(raw(tmp_path / "a", "2.1", words, "<u8", more=more))
    assert rows(recording.read()) == [(6407, 32 * i + b, 9, 1) for i in range(20) for b in (0, 30)]
    assert recording.metadata["layout"] == ("legacy" if legacy else "standard")


def test_an_unknown_word_is_an_error_or_skipped_and_counted(tmp_path):
    path = raw(tmp_path / "a", "2.0", [word2(8, 0), 7 << 28, word2(1, 3, 4, 5)], "<u4")
    start = path.stat().st_size - 12
    with pytest.raises(Exception, match=rf"byte {start + 4}: expected a word of type 0, 1, 8, 10, 14, 15, got type 7"):
        open_events(path).read()
    events, report = open_events(path, mode="repair").read_with_report()
    assert (len(events), report.skipped_bytes) == (1, 4)


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        ("% geometry 320x240\n", (240, 320)),
        ("% format EVT2;height=240;width=320\n", (240, 320)),
        ("% plugin_name hal_plugin_gen31_fx3\n", (480, 640)),
        ("% plugin_name hal_plugin_imx636_evk4\n", (720, 1280)),
    ],
)
def test_the_sensor_is_told_by_the_header_in_several_ways(lines, size, tmp_path):
    (tmp_path / "a").write_bytes(b"% evt 2.0\n" + lines.encode() + np.array([word2(8, 0)], "<u4").tobytes())
    assert open_events(tmp_path / "a").size == size


def test_data_that_begin_with_the_mark_of_a_header_line_are_data(tmp_path):
    words = np.array([word2(8, 0), word2(0, 1, 0, 0x25)], "<u4").tobytes()
    assert words[4:5] == b"%"
    (tmp_path / "a").write_bytes(b"% evt 2.0\n" + words[:4] + words[4:])
    assert open_events(tmp_path / "a").read().y.tolist() == [0x25]


@pytest.mark.parametrize("module", [evt2, evt3, evt21])
def test_what_cannot_be_written_is_refused(module):
    with pytest.raises(ShapeError, match=r"expected a sensor of at most 2048 pixels a side, got 2049 x 4"):
        module.to_bytes(Events.of([0], [0], [0], [0], size=(2049, 4)))
    with pytest.raises(ShapeError, match=r"expected gaps that take at most 67108864 words of time"):
        module.to_bytes(Events.of([0, 1 << 60], [0, 0], [0, 0], [0, 0], size=(4, 4)))
