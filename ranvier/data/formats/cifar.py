"""CIFAR-10 and CIFAR-100, "binary version": records of label bytes and 3 x 32 x 32 pixels, in files or in a tar.gz.

CIFAR-10 has one label a record, CIFAR-100 two: one of 20 kinds, then one of 100 classes.

Source: Krizhevsky 2009; https://www.cs.toronto.edu/~kriz/cifar.html, section "Binary version".
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.formats import tar

PIXELS = 3 * 32 * 32
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)
_MAX_ARCHIVE = 256 << 20  # the official archive unpacks to 184 MB

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Layout:
    """How many classes the label bytes of a record tell apart, and which label is wanted."""

    classes: tuple[int, ...]
    wanted: int

    @property
    def record(self) -> int:
        """Bytes of a record."""
        return len(self.classes) + PIXELS


CIFAR10 = Layout((10,), 0)
COARSE, FINE = Layout((20, 100), 0), Layout((20, 100), 1)


def read(path: str | Path, layout: Layout = CIFAR10) -> tuple[Images, Images]:
    """Read one batch file.

    Returns: images (N, 3, 32, 32) in RGB planes and labels (N,), both uint8.
    Raises: FormatError, naming path and byte offset, for a partial record or a label without a class.
    """
    path = Path(path)
    if (size := path.stat().st_size) % layout.record or not size:
        raise _partial(str(path), size, layout)
    return _parse(str(path), np.fromfile(path, np.uint8), layout)


def read_archive(path: str | Path, files: tuple[str, ...], layout: Layout = CIFAR10) -> tuple[Images, Images]:
    """Read batch files out of the official ``cifar-10-binary.tar.gz`` or ``cifar-100-binary.tar.gz``, in place.

    Args: path: the archive. files: names such as ``TRAIN`` or ``TEST``; their images are joined in this order.
    Returns: as ``read``.
    Raises: FormatError for an archive that is not what it says, or that lacks a file.
    """
    path = Path(path)
    found: dict[str, tuple[Images, Images]] = {}
    for name, data in tar.members(path, lambda n: PurePosixPath(n).name in files, max_bytes=_MAX_ARCHIVE):
        where = f"{path}: member {name!r}"
        if len(data) % layout.record or not data:
            raise _partial(where, len(data), layout)
        found[PurePosixPath(name).name] = _parse(where, np.frombuffer(data, np.uint8), layout)
    if missing := [name for name in files if name not in found]:
        raise FormatError(str(path), expected="the members " + ", ".join(files), got="none named " + ", ".join(missing))
    return np.concatenate([found[f][0] for f in files]), np.concatenate([found[f][1] for f in files])


def _parse(where: str, data: Images, layout: Layout) -> tuple[Images, Images]:
    records = data.reshape(-1, layout.record)
    for place, classes in enumerate(layout.classes):
        if (bad := np.flatnonzero(records[:, place] >= classes)).size:
            at = int(bad[0])
            got = str(records[at, place])
            byte = at * layout.record + place
            raise FormatError(f"{where}: byte {byte}", expected=f"a label from 0 to {classes - 1}", got=got)
    images = np.ascontiguousarray(records[:, len(layout.classes) :]).reshape(-1, 3, 32, 32)
    return images, records[:, layout.wanted].copy()


def _partial(where: str, size: int, layout: Layout) -> FormatError:
    record = layout.record
    got = f"{size} bytes, which end inside record {size // record}" if size else "an empty file"
    return FormatError(f"{where}: byte {size // record * record}", expected=f"whole records of {record} bytes", got=got)
