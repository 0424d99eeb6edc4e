"""NumPy ``.npz`` packs: a zip of ``.npy`` arrays, read without pickle and without trust.

Only arrays of plain numbers and fixed-width text are read; stored, deflated and LZMA members are understood.
Source: NumPy Enhancement Proposal 1 (npy format, versions 1.0 to 3.0); ``formats/archive.py`` for the zip.
"""

import ast
import math
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, UnknownNameError
from ranvier.data.formats import archive

Array = NDArray[np.generic]

_MAX_HEADER = 4096
PLAIN = re.compile(r"[<>|=]?(?:\?|[biufcSU]\d{0,9})")


def read(path: str | Path, names: Iterable[str] | None = None, *, max_bytes: int | None = None) -> dict[str, Array]:
    """Read arrays of a pack.

    Args: path: the file. names: which arrays, without ``.npy``; None reads all. max_bytes: what all members may unpack
        to together; None is 16 MiB + 100 times the size of the file.
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
    descr, fortran, shape, start = header(where, data)
    if not isinstance(descr, str) or not PLAIN.fullmatch(descr):
        mend = "Store plain numbers; objects would have to be unpickled, which runs code."
        raise FormatError(where, expected="an array of numbers or text", got=f"dtype {str(descr)[:80]!r}", mend=mend)
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError) as error:
        raise FormatError(where, expected="an array of numbers or text", got=f"dtype {descr!r}") from error
    declared, present = math.prod(shape) * dtype.itemsize, len(data) - start
    if declared != present:
        got = f"shape {shape} of {descr!r}, which takes {declared}"
        raise FormatError(f"{where}, byte {start}", expected=f"an array of the {present} bytes that follow", got=got)
    if present == 0:
        return np.zeros(_bounded(where, shape), dtype)
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")


def header(where: str, data: bytearray) -> tuple[object, bool, tuple[int, ...], int]:
    """Read the header: the type as written, whether the order is Fortran's, the shape, and where the numbers begin."""
    if data[:6] != b"\x93NUMPY" or len(data) < 10 or data[6] not in (1, 2, 3):
        raise FormatError(f"{where}, byte 0", expected="npy version 1, 2 or 3", got=repr(bytes(data[:8])))
    start = 10 if data[6] == 1 else 12
    length = int.from_bytes(data[8:start], "little")
    if length > min(_MAX_HEADER, len(data) - start):
        got = f"{length} declared, {max(0, len(data) - start)} there"
        raise FormatError(f"{where}, byte 8", expected=f"a header of at most {_MAX_HEADER} bytes", got=got)
    try:
        fields = ast.literal_eval(bytes(data[start : start + length]).decode().strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:  # each says: no literal
        got = f"none ({type(error).__name__})"
        raise FormatError(f"{where}, byte {start}", expected="a dict of literals", got=got) from error
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise FormatError(f"{where}, byte {start}", expected="the keys descr, fortran_order, shape", got="others")
    shape = fields["shape"]
    if not isinstance(shape, tuple) or any(type(size) is not int or size < 0 for size in shape):
        raise FormatError(f"{where}, byte {start}", expected="a shape of sizes >= 0", got=str(shape)[:80])
    return fields["descr"], bool(fields["fortran_order"]), shape, start + length


def _bounded(where: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(size > 1 << 40 for size in shape) or len(shape) > 32:
        raise FormatError(where, expected="an empty array of a usable shape", got=f"shape {shape}")
    return shape
