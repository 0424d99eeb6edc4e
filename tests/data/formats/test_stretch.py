"""Files that compiled decoders read by themselves, piece by piece: nothing differs from their numpy twins on whole chunks."""

import os
from dataclasses import replace

import numpy as np
import pytest

from ranvier.core.errors import DataError, RanvierError
from ranvier.data.events import Events
from ranvier.data.formats import aedat4, dat, evt2, interface, native, nmnist_bin
from ranvier.data.formats.stretch import Stretch
from ranvier.data.open import open_events
from tests.data.formats.battery import mutate

pytestmark = pytest.mark.skipif(native.absence() is not None, reason=str(native.absence()))
MODULES = {module.FORMAT.name: module for module in (evt2, dat, nmnist_bin, aedat4)}
SIZES = {"nmnist_bin": (34, 34)}


def events(name, num=60_000, seed=0):
    """More than a piece of a file holds, with a wrap of the counter where it has one."""
    r, (height, width) = np.random.default_rng(seed), SIZES.get(name, (48, 64))
    t = np.cumsum(r.integers(0, 3, num))
    t += {"dat": (1 << 32) - 30_000, "nmnist_bin": 0}.get(name, (np.arange(num) > num // 2) * (1 << 35))
    x, y = r.integers(0, width, num), r.integers(0, height, num)
    return Events.of(t, x, y, r.integers(0, 2, num), size=(height, width))


def told(path, name, mode, chunk, *, compiled):
    """Columns and report of a file, or what is raised."""
    try:
        found = open_events(path, mode=mode, size=SIZES.get(name, (48, 64)), format=name, chunk_bytes=chunk)
        if not compiled:
            found = replace(found, reader=replace(found.reader, compiled=None))
        read, report = found.read_with_report()
    except RanvierError as error:
        return str(error)
    return [column.tolist() for column in (read.t, read.x, read.y, read.polarity)], report


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("chunk", [30_001, 1 << 20])
def test_large_files_are_read_as_the_twin_reads_them(name, chunk, tmp_path):
    MODULES[name].write(tmp_path / "a", events(name))
    ours = told(tmp_path / "a", name, "strict", chunk, compiled=True)
    assert ours == told(tmp_path / "a", name, "strict", chunk, compiled=False)
    assert ours[0][0] == events(name).t.tolist()


@pytest.mark.parametrize("name", MODULES)
def test_where_the_system_reads_at_no_position_large_files_are_read_all_the_same(name, tmp_path, monkeypatch):
    MODULES[name].write(tmp_path / "a", events(name))
    law = told(tmp_path / "a", name, "strict", 1 << 20, compiled=False)
    monkeypatch.setattr(interface, "STRETCHES", False)
    monkeypatch.delattr(os, "preadv")
    assert told(tmp_path / "a", name, "strict", 1 << 20, compiled=True) == law


@pytest.mark.parametrize("name", MODULES)
def test_large_broken_files_give_the_same_errors_events_and_reports(name, tmp_path):
    MODULES[name].write(tmp_path / "a", events(name))
    data, r = (tmp_path / "a").read_bytes(), np.random.default_rng(3)
    broken = 0
    for _ in range(3):
        (tmp_path / "a").write_bytes(mutate(mutate(data, r), r))
        for mode in ("strict", "repair"):
            # Where events are decoded in place, steps are four times as long.
            ours = told(tmp_path / "a", name, mode, 50_003, compiled=True)
            assert ours == told(tmp_path / "a", name, mode, 200_012, compiled=False)
            broken += isinstance(ours, str)
    assert broken


@pytest.mark.parametrize("name", MODULES)
def test_a_file_that_shrinks_while_it_is_read_ends_or_is_told_of(name, tmp_path):
    MODULES[name].write(tmp_path / "a", events(name))
    reader = MODULES[name].open_(tmp_path / "a")
    walk = reader.chunks(reader.start, 140_000)
    first, after = next(walk)
    os.truncate(tmp_path / "a", after.position + 5001)
    try:
        rest = sum(chunk.columns.t.size for chunk, _ in walk)
    except DataError as error:
        assert "expected the bytes it had when it was opened, got fewer, or others" in str(error)  # noqa: PT017
    else:
        assert 0 < first.columns.t.size + rest < 60_000


def test_places_of_a_file_that_shrank_are_refused(tmp_path):
    dat.write(tmp_path / "a", events("dat"))
    reader = dat.open_(tmp_path / "a")
    chunk, _ = next(reader.chunks(reader.start, 140_000))
    assert chunk.columns.at[1] == reader.start.position + 8
    os.truncate(tmp_path / "a", 500)
    with pytest.raises(DataError, match="the bytes it had when it was opened"):
        chunk.columns.at[1]


def test_bytes_of_a_stretch_are_those_of_the_file(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(100)))
    with (tmp_path / "a").open("rb") as file:
        stretch = Stretch(tmp_path / "a", file.fileno(), 10, 50)
        assert len(stretch) == 50
        assert (stretch[3], stretch[2:5], stretch[48:90]) == (13, bytes([12, 13, 14]), bytes([58, 59]))
        assert bytes(stretch.part(4, 3)) == bytes([14, 15, 16])
        os.truncate(tmp_path / "a", 40)
        with pytest.raises(DataError, match="got fewer, or others"):
            stretch[49]


def test_a_stretch_of_a_file_that_cannot_be_read_raises_what_the_system_says(tmp_path):
    (tmp_path / "a").write_bytes(bytes(800))
    file = os.open(tmp_path / "a", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            native.Room(100).decode("dat", Stretch(tmp_path / "a", file, 0, 800), 0, (0, 0), (2,))
    finally:
        os.close(file)


FIRST = {"evt2": ((-1, 0), ()), "dat": ((0, 0), (2,)), "nmnist_bin": ((0,), ())}


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("begin", [0, 4091])
def test_what_the_pieces_of_a_file_hold_is_joined_to_what_all_of_it_holds(name, begin, tmp_path):
    r, (state, parameters) = np.random.default_rng(begin), FIRST[name]
    data = r.integers(0, 256, 700_003, np.uint8)
    if name == "evt2":  # sound words, and a few of a type that does not exist behind the first piece
        data = data[: data.size // 4 * 4]
        data[3::4] = data[3::4] & 15 | r.choice([0, 16, 128], data.size // 4, p=[0.6, 0.3, 0.1]).astype(np.uint8)
        data[[400_003, 600_003]] = 0x30
    (tmp_path / "a").write_bytes(bytes(begin) + data.tobytes())
    ours, law = native.Room(180_000), native.Room(180_000)
    with (tmp_path / "a").open("rb") as file:
        stretch = Stretch(tmp_path / "a", file.fileno(), begin, data.size)
        found = ours.decode(name, stretch, begin, state, parameters)
    whole = law.decode(name, data.tobytes(), begin, state, parameters)
    for what in ("num", "used", "state", "kinds", "first_unknown", "untimed", "others", "frames", "unfit", "bounds"):
        assert getattr(found, what) == getattr(whole, what), what
    assert name != "evt2" or found.first_unknown == 400_000
    for mine, theirs in zip(ours.all().values(), law.all().values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(np.asarray(ours.columns(0).at), np.asarray(law.columns(0).at))
