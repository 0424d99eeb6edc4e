"""SHD and SSC in miniatures of their real layout."""

import zipfile

import h5py
import numpy as np
import pytest

from ranvier.core.errors import DataError, EventFormatError, FormatError, MissingExtraError
from ranvier.data import Loader, NumWindows
from ranvier.data.formats import hdf5
from ranvier.data.sets import shd, ssc

TIMES = [np.array([0.0, 0.25, 0.5, 1.0], np.float16), np.array([], np.float16), np.array([0.5, 0.125], np.float16)]
UNITS = [np.array([699, 0, 1, 2], np.uint16), np.array([], np.uint16), np.array([7, 8], np.uint16)]


def write(path, *, labels=(19, 0, 3), keys=None, speakers=(4, 4, 5), times=TIMES, units=UNITS):
    with h5py.File(path, "w") as file:
        for name, rows, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            made = file.create_dataset(f"spikes/{name}", (len(rows),), dtype=h5py.vlen_dtype(kind))
            for index, row in enumerate(rows):
                made[index] = row
        file["labels"] = np.array(labels, np.uint16)
        if keys is not None:
            file["extra/keys"] = np.array(keys, "S10")
        if speakers is not None:
            file["extra/speaker"] = np.array(speakers, np.uint16)
    return path


@pytest.mark.parametrize("zipping", [False, True])
@pytest.mark.parametrize(("module", "split", "part"), [(shd, "test", "shd_test"), (ssc, "validation", "ssc_valid")])
def test_a_recording_is_spikes_of_700_channels(home, module, split, part, zipping):
    folder = home(module.SOURCE.name)
    path = write(folder / f"{part}.h5")
    if zipping:
        with zipfile.ZipFile(folder / f"{part}.h5.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(path, f"{part}.h5")
        path.unlink()
    made = module.load(split)
    events, label = made[0]
    assert (label, events.size, len(made)) == (19, (1, 700), 3)
    assert events.t.tolist() == [0, 250_000, 500_000, 1_000_000]
    assert events.x.tolist() == [699, 0, 1, 2]
    assert (set(events.y.tolist()), set(events.polarity.tolist())) == ({0}, {1})
    assert len(made[1][0]) == 0
    assert (made[2][0].t.tolist(), made[2][0].x.tolist()) == ([125_000, 500_000], [8, 7])  # put in order
    assert made.speakers.tolist() == [4, 4, 5]
    assert made.take(np.array([2]))[0][1] == 3
    x_TBCHW, _ = next(
        Loader(samples=made, encode=NumWindows(num=4, duration="1.4 s"), batch_size=3, shuffle=False).batches(0)
    )
    assert x_TBCHW.shape == (4, 3, 2, 1, 700)
    assert x_TBCHW.sum() == 6
    if not zipping:
        assert module.SOURCE.place() == folder


def test_the_names_of_classes_are_those_of_the_file(home):
    folder = home("shd")
    write(folder / "shd_train.h5", keys=[f"word{i}" for i in range(20)])
    write(folder / "shd_test.h5", keys=["too", "few"])
    assert shd.load("train").classes[19] == "word19"
    assert shd.load("test").classes[19] == "neun"


def test_speakers_may_be_missing(home):
    write(home("ssc") / "ssc_train.h5", speakers=None, labels=(34, 0, 1))
    assert ssc.load("train").speakers.tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": (20, 0, 1)}, "expected labels from 0 to 19, got 0 to 20"),
        ({"labels": (1, 0)}, r"expected \(3,\) labels"),
        ({"speakers": (1, 2)}, r"expected \(3,\) speakers"),
    ],
)
def test_labels_must_fit(home, changes, words):
    write(home("shd") / "shd_train.h5", **changes)
    with pytest.raises(FormatError, match=words):
        shd.load("train")


@pytest.mark.parametrize(
    ("times", "units", "words"),
    [
        (
            [np.array([0.5], np.float16)],
            [np.array([700], np.uint16)],
            "expected channels below 700 in recording 0, got 700",
        ),
        ([np.array([np.nan], np.float16)], [np.array([1], np.uint16)], "in recording 0, got t = nan"),
        ([np.array([0.5, 0.6], np.float16)], [np.array([1], np.uint16)], "expected as many times as units"),
    ],
)
def test_broken_recordings_are_refused_when_they_are_read(home, times, units, words):
    write(home("shd") / "shd_train.h5", times=times, units=units, labels=(0,), speakers=None)
    with pytest.raises(EventFormatError, match=words):
        shd.load("train")[0]


def test_what_is_no_hdf5_file_is_refused(home):
    folder = home("shd")
    (folder / "shd_train.h5").write_bytes(b"\x89HDF\r\n\x1a\nbroken")
    with pytest.raises((EventFormatError, MissingExtraError), match="shd_train.h5: expected a sound HDF5 file"):
        shd.load("train")
    with h5py.File(folder / "shd_test.h5", "w") as file:
        file["labels"] = np.zeros(1, int)
    with pytest.raises(EventFormatError, match="expected spikes/times and labels"):
        shd.load("test")
    with h5py.File(folder / "other.h5", "w") as file:
        file.create_group("spikes")
    with pytest.raises(EventFormatError, match="expected spikes/times and spikes/units"):
        hdf5.spikes(folder / "other.h5", 0, channels=700)


def test_a_zip_of_something_else_is_refused(home):
    with zipfile.ZipFile(home("shd") / "shd_train.h5.zip", "w") as packed:
        packed.writestr("other.h5", b"")
    with pytest.raises(FormatError, match="expected the member shd_train.h5, got 1 others"):
        shd.load("train")
    with pytest.raises(DataError, match=r"expected shd_test.h5 or shd_test.h5.zip in .*download=True"):
        shd.load("test")
