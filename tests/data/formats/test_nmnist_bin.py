import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import FormatError, ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import nmnist_bin


def test_the_bits_lie_where_the_paper_says():
    # x = 5, y = 7, ON at 0x123456 us; then x = 1, y = 2, OFF at 0x7FFFFF us
    events = nmnist_bin.parse(bytes([5, 7, 0x80 | 0x12, 0x34, 0x56, 1, 2, 0x7F, 0xFF, 0xFF]))
    np.testing.assert_array_equal(events.t, [0x123456, 0x7FFFFF])
    np.testing.assert_array_equal(events.x, [5, 1])
    np.testing.assert_array_equal(events.y, [7, 2])
    np.testing.assert_array_equal(events.polarity, [1, 0])


def test_an_overflow_marker_adds_8192_us_to_what_follows_and_is_no_event():
    marker = bytes([0, 240, 0, 0, 0])
    one = bytes([1, 1, 0, 0, 9])
    events = nmnist_bin.parse(one + marker + marker + one + marker + one)
    np.testing.assert_array_equal(events.t, [9, 9 + 2 * 8192, 9 + 3 * 8192])


@given(
    gaps=st.lists(st.integers(0, 1 << 20), max_size=60),
    seed=st.integers(0, 99),
)
def test_what_is_written_is_read(gaps, seed):
    r, num = np.random.default_rng(seed), len(gaps)
    t = np.cumsum(np.array(gaps, np.int64))
    events = Events.of(t, r.integers(0, 34, num), r.integers(0, 34, num), r.integers(0, 2, num), size=(34, 34))
    back = nmnist_bin.parse(nmnist_bin.to_bytes(events))
    for name in ("t", "x", "y", "polarity"):
        np.testing.assert_array_equal(getattr(back, name), getattr(events, name))


def test_times_around_the_23_bits_survive():
    t = np.array([(1 << 23) - 1, 1 << 23, (1 << 23) + 8191, (1 << 23) + 8192, 1 << 33])
    events = Events.of(t, [0] * 5, [1] * 5, [1] * 5, size=(240, 256))
    np.testing.assert_array_equal(nmnist_bin.parse(nmnist_bin.to_bytes(events), size=(240, 256)).t, t)


def test_files_round_trip(tmp_path):
    events = Events.of([1, 2], [3, 4], [5, 6], [0, 1], size=(34, 34))
    nmnist_bin.write(tmp_path / "a.bin", events)
    assert (tmp_path / "a.bin").stat().st_size == 10
    np.testing.assert_array_equal(nmnist_bin.read(tmp_path / "a.bin").t, [1, 2])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (bytes(12), r"bytes: byte 10: expected records of 5 bytes, got 2 bytes at the end"),
        (bytes(5) + bytes([34, 0, 0, 0, 0]), r"byte 5: expected a pixel .* 34 x 34 .* got x = 34, y = 0"),
        (bytes([0, 240, 0, 0, 0, 0, 99, 0, 0, 0]), r"byte 5: .* y = 99"),
        (bytes([0, 0, 0, 0, 7, 0, 0, 0, 0, 6]), r"byte 5: expected a time >= 7 us.* got 6 us"),
    ],
)
def test_broken_bytes_are_named(data, text):
    with pytest.raises(FormatError, match=text):
        nmnist_bin.parse(data)


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ShapeError, match=r"expected a sensor of at most 240 x 256, got 241 x 34"):
        nmnist_bin.to_bytes(Events.of([0], [0], [0], [0], size=(241, 34)))
    with pytest.raises(ShapeError, match=r"expected a time >= 0 us, got -1 us"):
        nmnist_bin.to_bytes(Events.of([-1], [0], [0], [0], size=(34, 34)))


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the official files: set RANVIER_DATA")
def test_the_official_recordings_agree_with_the_pack_and_are_rewritten_byte_for_byte():
    folder = Path(os.environ["RANVIER_DATA"]) / "nmnist"
    with np.load(folder / "nmnist_test100.npz") as stored:
        pack = dict(stored)
    files = sorted((folder / "raw_bin").glob("*.bin"))
    assert len(files) == 10
    for file in files:
        events = nmnist_bin.read(file)
        i = list(pack["ids"]).index(int(file.name[:5]))
        part = slice(pack["offsets"][i], pack["offsets"][i + 1])
        np.testing.assert_array_equal(events.t, pack["t"][part])
        np.testing.assert_array_equal(events.x, pack["x"][part])
        np.testing.assert_array_equal(events.polarity, pack["p"][part])
        assert nmnist_bin.to_bytes(events) == file.read_bytes()


@given(
    num=st.integers(0, 200),
    seed=st.integers(0, 40),
    last=st.sampled_from([1, 300, 1 << 23, 1 << 25]),
    fault=st.booleans(),
)
def test_records_in_cpp_are_those_of_numpy_and_so_is_what_is_refused(num, seed, last, fault):
    r = np.random.default_rng(seed)
    t = np.sort(r.integers(0, last, num))
    events = Events.of(t, r.integers(0, 256, num), r.integers(0, 240, num), r.integers(0, 2, num), size=(240, 256))
    data = bytearray(nmnist_bin.to_bytes(events))
    if fault and num:
        data[r.integers(len(data))] = r.integers(256)

    def told():
        try:
            found = nmnist_bin.parse(data, size=(240, 256))
        except FormatError as error:
            return str(error)
        return [column.tolist() for column in (found.t, found.x, found.y, found.polarity)]

    ours = told()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nmnist_bin.native, "absence", lambda: "it is not there")
        assert ours == told()
