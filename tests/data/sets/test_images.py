"""CIFAR-100, KMNIST, EMNIST, Omniglot."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from ranvier.core.errors import ConfigError, DataError, FormatError
from ranvier.data.sets import cifar100, emnist, kmnist, omniglot


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def records(*labels):
    return b"".join(bytes([coarse, fine]) + bytes([fine]) * 3072 for coarse, fine in labels)


@pytest.mark.parametrize("inner", ["cifar-100-binary", "."])
def test_records_have_two_labels(home, inner):
    folder = home("cifar100") / inner
    folder.mkdir(exist_ok=True)
    (folder / "train.bin").write_bytes(records((4, 0), (19, 99)))
    (folder / "test.bin").write_bytes(records((7, 24)))
    made, grouped = cifar100.load("train"), cifar100.load("train", coarse=True)
    assert made.images.shape == (2, 3, 32, 32)
    assert made.labels.tolist() == [0, 99]
    assert grouped.labels.tolist() == [4, 19]
    assert (made.images[1] == 99).all()
    assert [made.classes[0], grouped.classes[4]] == ["apple", "fruit_and_vegetables"]
    assert cifar100.load("test").labels.tolist() == [24]


def test_the_archive_of_cifar100_is_read_in_place(home):
    folder = home("cifar100")
    with tarfile.open(folder / "cifar-100-binary.tar.gz", "w:gz") as packed:
        for name, data in (("test.bin", records((0, 1))), ("train.bin", records((2, 3))), ("fine.txt", b"x")):
            info = tarfile.TarInfo(f"cifar-100-binary/{name}")
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    assert cifar100.load("train").labels.tolist() == [3]
    assert [p.name for p in folder.iterdir()] == ["cifar-100-binary.tar.gz"]


@pytest.mark.parametrize(("labels", "place", "most"), [((20, 0), 0, 19), ((0, 100), 1, 99)])
def test_labels_without_a_class_are_refused_with_their_place(home, labels, place, most):
    (home("cifar100") / "train.bin").write_bytes(records((0, 0), labels))
    with pytest.raises(FormatError, match=f"train.bin: byte {3074 + place}: expected a label from 0 to {most}"):
        cifar100.load("train")


def test_partial_records_are_refused(home):
    (home("cifar100") / "train.bin").write_bytes(records((0, 0)) + b"x")
    with pytest.raises(FormatError, match="byte 3074: expected whole records of 3074 bytes"):
        cifar100.load("train")


def test_the_names_of_cifar100_are_all_there():
    assert len(set(cifar100.CLASSES)) == 100
    assert len(set(cifar100.GROUPS)) == 20


def test_kmnist_has_the_layout_of_mnist(home):
    folder = home("kmnist")
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.full((2, 28, 28), 9)))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.array([9, 0])))
    made = kmnist.load("test")
    assert (made.images.shape, made.labels.tolist()) == ((2, 1, 28, 28), [9, 0])
    assert made.classes[9] == "wo"


def letters(part="letters", labels=(1, 26)):
    image = np.zeros((len(labels), 28, 28), np.uint8)
    image[:, 20, 3] = 200  # stored transposed: row 3, column 20
    names = [f"gzip/emnist-{part}-test-{kind}-idx{axes}-ubyte.gz" for kind, axes in (("images", 3), ("labels", 1))]
    return dict(zip(names, (idx(image), idx(np.array(labels))), strict=True))


@pytest.mark.parametrize("zipped", [True, False])
def test_emnist_stands_upright_and_letters_count_from_zero(home, zipped):
    folder = home("emnist")
    if zipped:
        with zipfile.ZipFile(folder / "gzip.zip", "w") as packed:
            for name, data in letters().items():
                packed.writestr(name, data)
    else:
        (folder / "gzip").mkdir()
        for name, data in letters().items():
            (folder / name).write_bytes(data)
    made = emnist.load("test", part="letters")
    assert made.labels.tolist() == [0, 25]
    assert (made.classes[0], made.classes[25]) == ("a", "z")
    assert made.images[0, 0, 3, 20] == 200
    assert made.images.sum() == 400


def test_emnist_names_what_is_wrong(home):
    folder = home("emnist")
    with zipfile.ZipFile(folder / "gzip.zip", "w") as packed:
        for name, data in letters("digits", (0, 10)).items():
            packed.writestr(name, data)
    with pytest.raises(ConfigError, match="expected a part: byclass"):
        emnist.load("test", part="capitals")
    with pytest.raises(FormatError, match="got none named gzip/emnist-mnist-test-images"):
        emnist.load("test", part="mnist")
    with pytest.raises(FormatError, match="expected labels from 0 to 9, got 0 to 10"):
        emnist.load("test", part="digits")
    assert [len(classes) for classes in emnist.CLASSES.values()] == [62, 47, 47, 26, 10, 10]


def drawing(x, y, mode="1", side=105):
    image = Image.new(mode, (side, side), 1 if mode == "1" else 255)
    image.putpixel((x, y), 0)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_drawings_are_sorted_by_character_and_person(home):
    folder = home("omniglot")
    with zipfile.ZipFile(folder / "images_evaluation.zip", "w") as packed:
        packed.writestr("images_evaluation/Tifinagh/character02/0002_01.png", drawing(1, 2))
        packed.writestr("images_evaluation/Latin/character01/0001_02.png", drawing(3, 4))
        packed.writestr("images_evaluation/Latin/character01/0001_01.png", drawing(5, 6))
        packed.writestr("images_evaluation/readme.txt", b"x")
    made = omniglot.load("test")
    assert made.classes == ("Latin/character01", "Tifinagh/character02")
    assert made.labels.tolist() == [0, 0, 1]
    assert [np.argwhere(image[0]).tolist() for image in made.images] == [[[6, 5]], [[4, 3]], [[2, 1]]]
    with pytest.raises(DataError, match="expected images_background.zip or omniglot_small1.npz in"):
        omniglot.load("train")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (drawing(0, 0, side=104), r"expected 105 x 105 pixels, got \(104, 104\)"),
        (drawing(0, 0)[:60], "expected a PNG image"),
        (b"GIF89a", "expected a PNG image"),
        (bytes(1 << 17), "expected a drawing of at most 65536 bytes"),
    ],
)
def test_what_is_no_drawing_is_refused(home, data, words):
    with zipfile.ZipFile(home("omniglot") / "images_background.zip", "w") as packed:
        packed.writestr("images_background/Latin/character01/0001_01.png", data)
    with pytest.raises(FormatError, match=rf"images_background/Latin/character01/0001_01.png.*{words}"):
        omniglot.load("train")


def test_the_small_pack_is_unpacked(home):
    images = np.zeros((2, 105, 105), np.uint8)
    images[1, 104, 104] = 1
    bits = np.packbits(images.reshape(2, -1), axis=1)
    arrays = {
        "labels": np.array([0, 1], np.int16),
        "class_names": np.array(["a", "b"]),
        "image_shape": np.array([105, 105]),
    }
    np.savez(home("omniglot") / omniglot.PACK, bits=bits, **arrays)
    np.testing.assert_array_equal(omniglot.load("train").images[:, 0], images)


def test_the_real_characters_are_drawn_by_20_people(real):
    real("omniglot", omniglot.PACK)
    made = omniglot.load("train")
    assert made.images.shape == (2720, 1, 105, 105)
    assert np.bincount(made.labels).tolist() == [20] * 136
    assert 0.01 < made.images.mean() < 0.2  # ink
    assert made.classes[0] == "Balinese/character01"
