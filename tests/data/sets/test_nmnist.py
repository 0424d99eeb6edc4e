import os
import time
import zipfile
from importlib import resources

import numpy as np
import pytest

from ranvier.core.errors import DataError, FormatError
from ranvier.data import Loader, NumWindows, open_events
from ranvier.data.events import Events
from ranvier.data.formats import nmnist_bin, npz, npz_events
from ranvier.data.sets import nmnist


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "nmnist").mkdir()
    return tmp_path / "nmnist"


def recording(number):
    return Events.of([number, number + 1], [1, 2], [3, 4], [0, 1], size=(34, 34))


MADE = {"Test/7/00002.bin": recording(20), "Test/2/00010.bin": recording(30), "Test/7/00001.bin": recording(10)}


def check(made):
    assert len(made) == 3
    assert made.labels.tolist() == [7, 7, 2]
    assert made.ids.tolist() == [1, 2, 10]
    assert [made[i][0].t[0] for i in range(3)] == [10, 20, 30]
    assert [made[i][1] for i in range(3)] == [7, 7, 2]
    assert made.take(np.array([2]))[0][0].t[0] == 30


def test_the_official_folders_are_read_in_the_order_of_the_ids(folder):
    for name, events in MADE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nmnist_bin.write(folder / name, events)
    check(nmnist.load("test"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_official_zip_is_read_in_place(folder, method):
    with zipfile.ZipFile(folder / "Test.zip", "w", method) as archive:
        archive.writestr("Test/", b"")
        for name, events in MADE.items():
            archive.writestr(name, nmnist_bin.to_bytes(events))
    check(nmnist.load("test"))
    assert [p.name for p in folder.iterdir()] == ["Test.zip"]


def test_a_broken_member_is_named(folder):
    with zipfile.ZipFile(folder / "Train.zip", "w") as archive:
        archive.writestr("Train/3/00001.bin", bytes(7))
    made = nmnist.load("train")
    with pytest.raises(FormatError, match=r"Train.zip: member 'Train/3/00001.bin': byte 5: expected records of 5"):
        made[0]


def test_a_zip_of_something_else_is_refused(folder):
    with zipfile.ZipFile(folder / "Train.zip", "w") as archive:
        archive.writestr("readme", b"")
    with pytest.raises(FormatError, match=r"expected members such as Train/7/00001.bin, got 1 others"):
        nmnist.load("train")


def test_an_empty_folder_is_refused(folder):
    (folder / "Train").mkdir()
    with pytest.raises(DataError, match=r"N-MNIST: expected recordings such as Train/7/00001.bin"):
        nmnist.load("train")


def test_the_sample_is_used_where_nothing_else_is(folder):
    train, test = nmnist.load("train"), nmnist.load("test")
    assert np.bincount(train.labels).tolist() == [58] * 10
    assert test.ids.tolist() == list(range(60001, 60101))
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]  # the official first digits
    assert not set(train.ids) & set(test.ids)
    events, _ = train[100]
    assert 1000 < len(events) < 8000
    assert 290_000 < events.duration < 320_000


def test_the_sample_is_small_and_quick_and_carries_its_licence(folder):
    sample = resources.files("ranvier.data") / "sample"
    sizes = [len((sample / f"nmnist_{split}.npz").read_bytes()) for split in ("train", "test")]
    assert sum(sizes) <= 6_000_000
    licence = (sample / "LICENSE.md").read_text()
    for words in ("CC BY-SA 4.0", "Orchard", "Jayawant", "Cohen", "Thakor", "9:437"):
        assert words in licence
    begin = time.process_time()
    nmnist.sample("train")
    assert time.process_time() - begin < 2


def test_the_recordings_of_the_demo_are_those_that_open_events_gives(folder):
    path, sample = str(resources.files("ranvier.data") / "sample" / "nmnist_test.npz"), nmnist.sample("test")
    for which in (0, 57, 99):
        recording, (events, _) = open_events(path, format=npz_events.recording(which)), sample[which]
        assert recording.size == events.size == (34, 34)
        for column in ("t", "x", "y", "polarity"):
            np.testing.assert_array_equal(getattr(recording.read(), column), getattr(events, column))


def test_digits_move_with_the_saccades(folder):
    x_TBCHW, y = next(Loader(samples=nmnist.load("test"), encode=NumWindows(num=3), batch_size=100).batches(0))
    assert x_TBCHW.shape == (3, 100, 2, 34, 34)
    assert y.unique().tolist() == list(range(10))
    assert x_TBCHW.sum() == nmnist.load("test").columns["t"].size
    assert not (x_TBCHW[0] == x_TBCHW[1]).all()


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the real packs: set RANVIER_DATA")
@pytest.mark.parametrize(("split", "name"), [("train", "nmnist_train900.npz"), ("test", "nmnist_test100.npz")])
def test_no_event_of_the_sample_differs_from_the_original(split, name):
    sample = nmnist.sample(split)
    whole = nmnist.load(split)
    position = {int(number): i for i, number in enumerate(whole.ids)}
    for i, number in enumerate(sample.ids):
        (a, label), (b, other) = sample[i], whole[position[int(number)]]
        assert label == other
        for column in ("t", "x", "y", "polarity"):
            np.testing.assert_array_equal(getattr(a, column), getattr(b, column))
    assert npz.names(os.environ["RANVIER_DATA"] + f"/nmnist/{name}")[:4] == ["x", "y", "p", "t"]
