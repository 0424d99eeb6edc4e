import gzip
import struct

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import idx

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)


def encoded(array=IMAGES, kind=8):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def stored(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_image_file_is_read_plain_or_gzipped(tmp_path, pack):
    np.testing.assert_array_equal(idx.read(stored(tmp_path, pack(encoded())), axes=3), IMAGES)


def test_labels_have_one_axis(tmp_path):
    labels = np.array([3, 1, 4], np.uint8)
    np.testing.assert_array_equal(idx.read(stored(tmp_path, gzip.compress(encoded(labels), mtime=0)), axes=1), labels)


def test_an_empty_array_is_fine(tmp_path):
    empty = np.zeros((0, 4, 3), np.uint8)
    assert idx.read(stored(tmp_path, encoded(empty))).shape == (0, 4, 3)
    assert idx.read(stored(tmp_path, gzip.compress(encoded(empty), mtime=0))).shape == (0, 4, 3)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", r"file: byte 0: expected an IDX file \(00 00 type axes\), got an empty file"),
        (b"PK\3\4....", r"byte 0: expected an IDX file .* got 504b0304"),
        (encoded(kind=13), r"byte 2: expected type 0x08, unsigned bytes, got type 0x0d"),
        (encoded(IMAGES[0]), r"byte 3: expected 3 axes, got 2"),
        (encoded()[:10], r"byte 10: expected 3 sizes, got the end of the file"),
        (encoded()[:-1], r"byte 16: expected 60 bytes for shape \(5, 4, 3\), got 59 in the file"),
        (encoded() + b"x", r"byte 16: expected 60 bytes .* got 61 in the file"),
        (gzip.compress(encoded()[:-1], mtime=0), r"unpacked byte 16: expected 60 bytes .* got 59 in the file"),
        (gzip.compress(encoded() + b"x", mtime=0), r"unpacked byte 16: expected 60 bytes .* got more"),
        (gzip.compress(encoded(), mtime=0)[:-3], r"expected one gzip stream, got a truncated one"),
        (gzip.compress(encoded(), mtime=0) + b"tail", r"expected one gzip stream, got bytes after its end"),
        (gzip.compress(encoded(), mtime=0)[:-8] + b"\0" * 8, r"expected gzip data, got broken data"),
    ],
)
def test_what_disagrees_is_named_with_its_byte(tmp_path, data, text):
    with pytest.raises(FormatError, match=text):
        idx.read(stored(tmp_path, data), axes=3)
