"""NumPy ``.npy`` files of records: rows with named fields of plain numbers or text, such as the boxes of objects.

Source: NumPy Enhancement Proposal 1. Objects are refused (no pickle).
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.formats import npz

_MAX_FIELDS = 64


def parse(data: bytes | bytearray, fields: Iterable[str], *, where: str = "bytes") -> dict[str, NDArray[Any]]:
    """Read fields of the records.

    Args: data: the bytes of a file. fields: which fields. where: names the file in errors.
    Returns: name -> (N,) array.
    Raises: FormatError, naming the file, for a broken header, fields of objects, missing fields, or other bytes than
        the header declares.
    """
    descr, _, shape, start = npz.header(where, bytearray(data[:8192]))
    dtype = _dtype(descr)
    if dtype is None or len(shape) != 1:
        got = f"{str(descr)[:80]} of shape {shape}"
        raise FormatError(where, expected="records (N,) with fields of numbers", got=got)
    names = list(fields)
    if missing := [name for name in names if name not in (dtype.names or ())]:
        raise FormatError(where, expected="the fields " + ", ".join(names), got="none named " + ", ".join(missing))
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        got = f"{len(data) - start} after the header"
        raise FormatError(where, expected=f"{shape[0]} records of {dtype.itemsize} bytes", got=got)
    rows = np.frombuffer(data, dtype, shape[0], start)
    return {name: rows[name].copy() for name in names}


def _dtype(descr: object) -> np.dtype[Any] | None:
    """Build the type of a record; None unless all of it is plain. Fields without a name are padding."""
    if not isinstance(descr, list) or not 0 < len(descr) <= _MAX_FIELDS:
        return None
    made: list[tuple[str, str]] = []
    for index, entry in enumerate(descr):
        if not isinstance(entry, tuple) or len(entry) != 2 or not all(isinstance(word, str) for word in entry):
            return None
        name, kind = entry
        padding = not name and kind.startswith("|V") and kind[2:].isdecimal() and len(kind) < 6
        if not padding and not npz.PLAIN.fullmatch(kind):
            return None
        made.append((name or f" {index}", kind))
    try:
        dtype = np.dtype(made)
    except (TypeError, ValueError):
        return None
    return dtype if 0 < dtype.itemsize <= 4096 else None
