import io
import os
import tarfile

import numpy as np
import pytest

from ranvier.core.errors import DataError
from ranvier.data.sets import cifar10


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


def batch(label, num=2):
    return (bytes([label]) + bytes([label + 100]) * 3072) * num


NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def check():
    train, test = cifar10.load("train"), cifar10.load("test")
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert test.labels.tolist() == [5, 5]
    assert train.images.shape == (10, 3, 32, 32)
    assert (train.images[:, 2, 31, 31] == train.labels + 100).all()


@pytest.mark.parametrize("inner", ["cifar-10-batches-bin", "."])
def test_the_official_batches_are_read_in_order(folder, inner):
    (folder / inner).mkdir(exist_ok=True)
    for label, name in enumerate(NAMES):
        (folder / inner / name).write_bytes(batch(label))
    check()


def test_the_official_archive_is_read_in_place(folder):
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for label, name in reversed(list(enumerate(NAMES))):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = 2 * 3073
            archive.addfile(info, io.BytesIO(batch(label)))
    check()
    assert [p.name for p in folder.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_an_incomplete_set_of_batches_is_refused(folder):
    (folder / "data_batch_1.bin").write_bytes(batch(0))
    with pytest.raises(DataError, match=r"CIFAR-10: expected all of data_batch_1.bin, data_batch_2.bin"):
        cifar10.load("train")


def test_packs_are_read(folder):
    images, labels = np.zeros((4, 3, 32, 32), np.uint8), np.arange(4)
    np.savez(folder / "cifar10_train20k.npz", x=images, y=labels)
    np.savez(
        folder / "cifar10_test.npz", heldout_x=images, heldout_y=labels, official_x=images[:2], official_y=labels[:2]
    )
    assert cifar10.load("train").labels.tolist() == [0, 1, 2, 3]
    assert cifar10.load("test").labels.tolist() == [0, 1, 2, 3, 0, 1]


def test_what_is_nowhere_says_what_to_do(folder):
    with pytest.raises(DataError, match=r"CIFAR-10: expected a pack .* or cifar-10-binary.tar.gz in .*download=True"):
        cifar10.load()


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the real files: set RANVIER_DATA")
def test_the_real_packs_are_read():
    made = cifar10.load("test")
    assert made.images.shape == (4500, 3, 32, 32)
    assert np.bincount(made.labels[:3500]).tolist() == [350] * 10
    assert made.labels[3500:3505].tolist() == [3, 8, 8, 0, 6]  # cat, ship, ship, airplane, frog: the official first
