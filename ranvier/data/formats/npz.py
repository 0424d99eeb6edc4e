"""NumPy ``.npz`` packs: a zip of ``.npy`` arrays, read without pickle and without trust.

Only arrays of plain numbers and fixed-width text are read; stored, deflated and LZMA members are understood.
Source: NumPy Enhancement Proposal 1 (npy format, versions 1.0 to 3.0); ``formats/archive.py`` for the zip.
"""

import io
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, UnknownNameError
from ranvier.data.formats import archive

Array = NDArray[np.generic]

_MAX_HEADER = 10_000
_KINDS = "biufcUS"


def read(path: str | Path, names: Iterable[str] | None = None, *, max_bytes: int | None = None) -> dict[str, Array]:
    """Read arrays of a pack.

    Args: path: the file. names: which arrays, without ``.npy``; None reads all. max_bytes: what all members may unpack
        to together; None is 64 MiB + 100 times the size of the file.
    Returns: name -> array.
    Raises: FormatError, naming path and member, for anything that is not a well-formed pack of plain arrays;
        UnknownNameError for a name that the pack lacks.
    """
    path = Path(path)
    entries = _entries(path, max_bytes)
    wanted = list(entries) if names is None else list(names)
    for name in wanted:
        if name not in entries:
            raise UnknownNameError.among(str(path), name, entries, kind="array")
    return {name: _parse(f"{path}: member {name + '.npy'!r}", archive.read(path, entries[name])) for name in wanted}


def names(path: str | Path) -> list[str]:
    """List the names of the arrays in a pack."""
    return list(_entries(Path(path), None))


def _entries(path: Path, max_bytes: int | None) -> dict[str, zipfile.ZipInfo]:
    found = {}
    for filename, entry in archive.directory(path, max_bytes=max_bytes).items():
        if not filename.endswith(".npy") or "/" in filename or "\\" in filename:
            where = f"{path}: member {filename!r}"
            raise FormatError(where, expected="a member NAME.npy without folders", got=repr(filename))
        found[filename.removesuffix(".npy")] = entry
    return found


def _parse(where: str, data: bytearray) -> Array:
    shape, fortran, dtype, start = _header(where, data)
    if dtype.hasobject or dtype.kind not in _KINDS:
        mend = "Store plain numbers; objects would have to be unpickled, which runs code."
        raise FormatError(where, expected="an array of numbers or text", got=f"dtype {dtype}", mend=mend)
    if any(not isinstance(size, int) or size < 0 for size in shape):
        raise FormatError(where, expected="sizes >= 0", got=f"shape {shape}")
    declared, present = math.prod(shape) * dtype.itemsize, len(data) - start
    if declared != present:
        got = f"shape {shape} of {dtype}, which takes {declared}"
        raise FormatError(f"{where}, byte {start}", expected=f"an array of the {present} bytes that follow", got=got)
    if dtype.itemsize == 0 or present == 0:
        return np.zeros(_bounded(where, shape), dtype)
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")


def _header(where: str, data: bytearray) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    file = io.BytesIO(bytes(data[: _MAX_HEADER + 12]))
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file, max_header_size=_MAX_HEADER)
        else:
            raise FormatError(where, expected="npy version 1.0 or 2.0", got=".".join(map(str, version)))
    except FormatError:
        raise
    # A hostile header can make the literal parser fail in many ways; each means the same to the reader.
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, KeyError, OverflowError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FormatError(f"{where}, byte 0", expected="an npy header", got=f"a broken one ({reason})") from error
    return tuple(shape), bool(fortran), dtype, file.tell()


def _bounded(where: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(size > 1 << 40 for size in shape) or len(shape) > 32:
        raise FormatError(where, expected="an empty array of a usable shape", got=f"shape {shape}")
    return shape
