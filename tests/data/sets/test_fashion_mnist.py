import os
import struct

import numpy as np
import pytest

from ranvier.core.errors import DataError
from ranvier.data.sets import fashion_mnist


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "fashion_mnist").mkdir()
    return tmp_path / "fashion_mnist"


def pack(path, num):
    images, labels = np.zeros((num, 28, 28), np.uint8), np.zeros(num, np.uint8)
    np.savez(path, train_x=images, train_y=labels, test_x=images, test_y=labels)


def test_the_official_files_come_before_the_subset(folder):
    pack(folder / "fashion_mnist_subset.npz", 5)
    assert len(fashion_mnist.load("test")) == 5
    (folder / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 28, 28) + bytes(2 * 784))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 2) + b"\3\4")
    assert fashion_mnist.load("test").labels.tolist() == [3, 4]
    assert len(fashion_mnist.load("train")) == 5
    pack(folder / "fashion_mnist.npz", 7)
    assert len(fashion_mnist.load("test")) == 7


def test_what_is_nowhere_says_what_to_do(folder):
    with pytest.raises(
        DataError, match=r"Fashion-MNIST: expected .* got none of them. Put them there, set RANVIER_DATA"
    ):
        fashion_mnist.load()


@pytest.mark.skipif("RANVIER_DATA" not in os.environ, reason="needs the real files: set RANVIER_DATA")
def test_the_real_subset_is_read():
    train, test = fashion_mnist.load("train"), fashion_mnist.load("test")
    assert (len(train), len(test)) == (1000, 850)
    assert train.classes[train.labels[0]] in fashion_mnist.CLASSES
    assert set(train.labels) == set(range(10))
