import io
import tarfile

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import cifar


def batch(num, seed=0):
    r = np.random.default_rng(seed)
    return r.integers(0, 10, num, np.uint8), r.integers(0, 256, (num, 3, 32, 32), np.uint8)


def encoded(labels, images):
    return b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True))


def archive(tmp_path, members):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_batch_file_is_read(tmp_path):
    labels, images = batch(3)
    (tmp_path / "b.bin").write_bytes(encoded(labels, images))
    got_images, got_labels = cifar.read(tmp_path / "b.bin")
    np.testing.assert_array_equal(got_images, images)
    np.testing.assert_array_equal(got_labels, labels)


def test_the_archive_gives_its_batches_in_the_order_asked_for(tmp_path):
    first, second = batch(3, 1), batch(2, 2)
    members = {"readme.html": b"hello", "data_batch_2.bin": encoded(*second), "data_batch_1.bin": encoded(*first)}
    images, labels = cifar.read_archive(archive(tmp_path, members), ("data_batch_1.bin", "data_batch_2.bin"))
    np.testing.assert_array_equal(labels, np.concatenate([first[0], second[0]]))
    np.testing.assert_array_equal(images, np.concatenate([first[1], second[1]]))


def test_a_missing_batch_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"expected the members test_batch.bin, got none named test_batch.bin"):
        cifar.read_archive(archive(tmp_path, {"data_batch_1.bin": encoded(*batch(1))}), cifar.TEST)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", r"byte 0: expected whole records of 3073 bytes, got an empty file"),
        (b"\1" * 3080, r"byte 3073: .* got 3080 bytes, which end inside record 1"),
        (b"\0" * 3073 + b"\x0a" * 3073, r"byte 3073: expected a label from 0 to 9, got 10"),
    ],
)
def test_broken_batches_are_refused(tmp_path, data, text):
    (tmp_path / "b.bin").write_bytes(data)
    with pytest.raises(FormatError, match=text):
        cifar.read(tmp_path / "b.bin")
    with pytest.raises(FormatError, match=text):
        cifar.read_archive(archive(tmp_path, {"test_batch.bin": data}), cifar.TEST)
