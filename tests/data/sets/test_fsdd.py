import os
import shutil
import zipfile

import numpy as np
import pytest

from ranvier.core.errors import ConfigError, DataError, FormatError
from ranvier.data.audio import Cochlea, Sound
from ranvier.data.formats import wav
from ranvier.data.loader import Loader
from ranvier.data.sets import fsdd


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "fsdd" / "recordings").mkdir(parents=True)
    return tmp_path / "fsdd"


def clip(digit, repetition):
    return np.full(50 + digit, 100 * digit + repetition, np.int16)


@pytest.fixture
def recordings(home):
    for digit in (0, 7):
        for repetition in (0, 4, 5, 12):
            wav.write(home / "recordings" / f"{digit}_ann_{repetition}.wav", Sound(clip(digit, repetition), 8000))
    (home / "recordings" / "notes.txt").write_text("no sound")
    return home


@pytest.fixture
def pack(home):
    clips = [clip(0, 1), clip(3, 2), clip(3, 4)]
    arrays = {
        "audio": np.concatenate(clips), "offsets": np.cumsum([0, *map(len, clips)]), "labels": np.array([0, 3, 3], np.uint8),
        "speaker": np.array([1, 0, 1], np.uint8), "rep": np.array([1, 2, 4], np.uint8),
        "speaker_names": np.array(["ann", "bob"]), "sample_rate": np.array(8000),
    }  # fmt: skip
    np.savez(home / "fsdd_test.npz", **arrays)
    return home, arrays


def test_the_first_five_repetitions_are_the_test_split(recordings):
    test, train = fsdd.load("test"), fsdd.load("train")
    assert (test.labels.tolist(), train.labels.tolist()) == ([0, 0, 7, 7], [0, 0, 7, 7])
    sound, label = train[3]
    assert (label, sound.rate, train.speakers[3]) == (7, 8000, "ann")
    np.testing.assert_array_equal(sound.samples * 32768, clip(7, 12))


def test_the_project_s_archive_is_read_as_it_is(recordings):
    with zipfile.ZipFile(recordings / "free-spoken-digit-dataset-master.zip", "w") as packed:
        for path in (recordings / "recordings").iterdir():
            packed.write(path, f"free-spoken-digit-dataset-master/recordings/{path.name}")
    folder = fsdd.load("train")
    shutil.rmtree(recordings / "recordings")
    found = fsdd.load("train")
    np.testing.assert_array_equal(found.audio, folder.audio)
    assert found.labels.tolist() == [0, 0, 7, 7]


def test_a_pack_is_cut_at_its_offsets(pack):
    found = fsdd.load("test")
    assert (len(found), found.speakers) == (3, ("bob", "ann", "bob"))
    np.testing.assert_array_equal(found[1][0].samples * 32768, clip(3, 2))
    chosen = found.take(np.array([2, 0]))
    assert [label for _, label in (chosen[0], chosen[1])] == [3, 0]
    np.testing.assert_array_equal(chosen[-2][0].samples * 32768, clip(3, 4))
    with pytest.raises(IndexError):
        chosen[2]


def test_a_loader_hears_it_through_a_cochlea(pack):
    loader = Loader(samples=fsdd.load("test"), encode=Cochlea(num_bands=5, num_frames=4), batch_size=3)
    ((inputs_TBK, targets_B),) = loader.batches(0)
    assert inputs_TBK.shape == (4, 3, 5)
    assert sorted(targets_B.tolist()) == [0, 3, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "expected the arrays audio, offsets, labels, sample_rate, got none named labels"),
        ({"audio": np.zeros(300)}, "'audio.npy': expected whole numbers with 1 axes, got float64 (300,)"),
        ({"audio": np.zeros(156, int)}, "expected int16 audio (N,), offsets (M + 1,), labels (M,)"),
        ({"offsets": np.array([0, 60, 50, 120])}, "offsets: expected rising offsets from 0 to 156"),
        ({"offsets": np.array([0, 60, 80, 9999])}, "offsets: expected rising offsets from 0 to 156"),
        ({"speaker": np.array([0, 0, 9], np.uint8)}, "speaker: expected labels from 0 to 1, got 0 to 9"),
    ],
)
def test_a_broken_pack_is_refused(pack, changes, message):
    home, arrays = pack
    np.savez(home / "fsdd_test.npz", **{k: v for k, v in (arrays | changes).items() if v is not None})
    with pytest.raises(FormatError) as caught:
        fsdd.load("test")
    assert message in str(caught.value)


def test_another_rate_is_refused(recordings):
    wav.write(recordings / "recordings" / "1_ann_0.wav", Sound(clip(1, 0), 16_000))
    with pytest.raises(FormatError, match=r"1_ann_0\.wav: expected 8000 samples a second, got 16000"):
        fsdd.load("test")


def test_where_it_is_looked_for_is_said(home):
    with pytest.raises(DataError, match=r"Free Spoken Digit Dataset: expected recordings/0_george_0\.wav in"):
        fsdd.load("test")
    (home / "recordings").rmdir()
    with pytest.raises(DataError, match=r"Free Spoken Digit Dataset: expected fsdd_test\.npz or recordings"):
        fsdd.load("test")
    with pytest.raises(ConfigError, match="fsdd: split: expected 'train' or 'test', got 'hidden'"):
        fsdd.load("hidden")


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the real pack: set RANVIER_DATA")
def test_the_real_set_has_every_speaker_saying_every_digit():
    found = fsdd.load("test")
    assert len(found) == 300
    said = {(found.speakers[i], int(found.labels[i])) for i in range(300)}
    assert len(said) == 60
    energy = [float(np.abs(found[i][0].samples).max()) for i in range(0, 300, 30)]
    assert 0.01 < min(energy) <= max(energy) <= 1
