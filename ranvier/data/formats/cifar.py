"""CIFAR-10, "binary version": records of one label byte and 3 x 32 x 32 pixels, in files or in the official tar.gz.

Source: Krizhevsky 2009; https://www.cs.toronto.edu/~kriz/cifar.html, section "Binary version".
"""

from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.formats import tar

RECORD = 1 + 3 * 32 * 32
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)
_MAX_ARCHIVE = 256 << 20  # the official archive unpacks to 184 MB

Images = NDArray[np.uint8]


def read(path: str | Path) -> tuple[Images, Images]:
    """Read one batch file.

    Returns: images (N, 3, 32, 32) in RGB planes and labels (N,), both uint8.
    Raises: FormatError, naming path and byte offset, for a partial record or a label above 9.
    """
    path = Path(path)
    if (size := path.stat().st_size) % RECORD or not size:
        raise _partial(str(path), size)
    return _parse(str(path), np.fromfile(path, np.uint8))


def read_archive(path: str | Path, files: tuple[str, ...]) -> tuple[Images, Images]:
    """Read batch files out of the official ``cifar-10-binary.tar.gz`` without extracting it.

    Args: path: the archive. files: names such as ``TRAIN`` or ``TEST``; their images are joined in this order.
    Returns: as ``read``.
    Raises: FormatError for an archive that is not what it says, or that lacks a file.
    """
    path = Path(path)
    found: dict[str, tuple[Images, Images]] = {}
    for name, data in tar.members(path, lambda n: PurePosixPath(n).name in files, max_bytes=_MAX_ARCHIVE):
        where = f"{path}: member {name!r}"
        if len(data) % RECORD or not data:
            raise _partial(where, len(data))
        found[PurePosixPath(name).name] = _parse(where, np.frombuffer(data, np.uint8))
    if missing := [name for name in files if name not in found]:
        raise FormatError(str(path), expected="the members " + ", ".join(files), got="none named " + ", ".join(missing))
    return np.concatenate([found[f][0] for f in files]), np.concatenate([found[f][1] for f in files])


def _parse(where: str, data: Images) -> tuple[Images, Images]:
    records = data.reshape(-1, RECORD)
    labels = records[:, 0].copy()
    if (bad := np.flatnonzero(labels > 9)).size:
        at = int(bad[0])
        raise FormatError(f"{where}: byte {at * RECORD}", expected="a label from 0 to 9", got=str(labels[at]))
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), labels


def _partial(where: str, size: int) -> FormatError:
    got = f"{size} bytes, which end inside record {size // RECORD}" if size else "an empty file"
    return FormatError(f"{where}: byte {size // RECORD * RECORD}", expected=f"whole records of {RECORD} bytes", got=got)
