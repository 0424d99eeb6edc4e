import gzip
import os
import struct

import numpy as np
import pytest

from ranvier.core.errors import DataError, FormatError
from ranvier.data.formats import idx
from ranvier.data.sets import mnist


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist"


def encoded(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
LABELS = np.array([5, 0, 4], np.uint8)


@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (bytes, "")])
def test_the_official_files_are_read(folder, split, prefix, pack, suffix):
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(encoded(IMAGES)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(encoded(LABELS)))
    made = mnist.load(split)
    np.testing.assert_array_equal(made.images[:, 0], IMAGES)
    np.testing.assert_array_equal(made.labels, LABELS)


def test_a_pack_is_read(folder):
    np.savez(folder / "mnist.npz", train_x=IMAGES, train_y=LABELS, test_x=IMAGES[:1], test_y=LABELS[:1])
    assert len(mnist.load("train")) == 3
    assert len(mnist.load("test")) == 1


def test_images_without_their_labels_are_refused(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(encoded(IMAGES))
    (folder / "train-labels-idx1-ubyte").write_bytes(encoded(LABELS[:2]))
    with pytest.raises(FormatError, match=r"train-images-idx3-ubyte: expected 3 labels, got uint8 \(2,\)"):
        mnist.load()


def test_what_is_nowhere_says_what_to_do(folder):
    with pytest.raises(DataError, match=r"MNIST: expected .*train-images-idx3-ubyte.gz.* in .*mnist.*download=True"):
        mnist.load()


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the real files: set RANVIER_DATA")
def test_the_real_pack_equals_the_official_test_files():
    made = mnist.load("test")
    folder = os.environ["RANVIER_DATA"] + "/mnist/"
    np.testing.assert_array_equal(made.images[:, 0], idx.read(folder + "t10k-images-idx3-ubyte.gz", axes=3))
    np.testing.assert_array_equal(made.labels, idx.read(folder + "t10k-labels-idx1-ubyte.gz", axes=1))
    assert len(made) == 10_000
    assert made.labels[:5].tolist() == [7, 2, 1, 0, 4]
