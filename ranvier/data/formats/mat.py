"""MATLAB 5 ``.mat`` files: numeric arrays by name, read with bounds; anything else in the file is left out.

Layout: 116 bytes of text, 12 others (version 0x0100 and "IM" or "MI" for the byte order), then elements of type (u32),
size (u32) and data, padded to 8 bytes; up to 4 bytes of data stand in the tag itself. Type 15 is a zlib stream of one
element; type 14 is an array: flags (class), dimensions, name, numbers by columns, perhaps stored as a smaller type.
Source: The MathWorks, "MAT-File Format", version 5.
"""

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_ARRAY, _COMPRESSED, _HEADER = 14, 15, 128
_RATIO, _ALLOWANCE = 1000, 1 << 20
_MAX_AXES = 8


def parse(data: bytes | bytearray, names: Iterable[str], *, where: str = "bytes") -> dict[str, NDArray[Any]]:
    """Read numeric arrays.

    Args: data: the bytes of a file. names: which arrays. where: names the file in errors.
    Returns: name -> array, with the type of its class.
    Raises: FormatError, naming the byte, for a broken file, an array that is missing or not numeric, or a compressed
        element that unpacks to more than 1 MiB + 1000 times its size.
    """
    if len(data) < _HEADER or data[126:128] not in (b"IM", b"MI") or not data.startswith(b"MATLAB 5.0"):
        raise FormatError(f"{where}: byte 0", expected="a MATLAB 5 file", got=repr(bytes(data[:16])))
    order = "<" if data[126:128] == b"IM" else ">"
    wanted, found = set(names), {}
    for at, kind, body in _elements(memoryview(data), _HEADER, order, where):
        place = f"{where}: byte {at}"
        if kind == _COMPRESSED:
            inner = list(_elements(memoryview(_inflate(body, place)), 0, order, place))
            kind, body = (inner[0][1], inner[0][2]) if inner else (0, body)
        if kind == _ARRAY:
            array = _array(body, wanted, order, place)
            if array is not None:
                found[array[0]] = array[1]
    if missing := sorted(wanted - set(found)):
        raise FormatError(where, expected="numeric arrays " + ", ".join(sorted(wanted)), got="no " + ", ".join(missing))
    return found


def _elements(data: memoryview, at: int, order: str, where: str) -> Iterator[tuple[int, int, memoryview]]:
    """Give place, type and data of each element."""
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        start, after = at + 8, 0
        if kind >> 16:  # a small element: its size stands above its type
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > len(data) or (after and size > 4):
            got = f"{size} declared, {len(data) - start} there"
            raise FormatError(f"{where}: byte {at}", expected="an element within the file", got=got)
        yield at, kind, data[start : start + size]
        # A compressed element is not padded.
        at = after or start + (size if kind == _COMPRESSED else -(-size // 8) * 8)


def _inflate(body: memoryview, where: str) -> bytes:
    most = _ALLOWANCE + _RATIO * len(body)
    inner = zlib.decompressobj()
    try:
        out = inner.decompress(body, most)
    except zlib.error as error:
        raise FormatError(where, expected="a zlib stream", got=str(error)) from error
    if not inner.eof:
        got = f"more than {most} bytes" if inner.unconsumed_tail else "a truncated one"
        raise FormatError(where, expected="a whole zlib stream of modest size", got=got)
    return out


def _array(body: memoryview, wanted: set[str], order: str, where: str) -> tuple[str, NDArray[Any]] | None:
    parts = list(_elements(body, 0, order, where))
    if len(parts) < 4 or len(parts[0][2]) < 8:
        return None
    name = bytes(parts[2][2]).decode("latin-1")
    flags = struct.unpack_from(order + "I", parts[0][2])[0]
    if name not in wanted:
        return None
    if flags & 0xFF not in _CLASSES or flags & 0x800 or parts[3][1] not in _TYPES:  # 0x800: complex
        raise FormatError(f"{where}: array {name!r}", expected="real numbers", got=f"class {flags & 0xFF}")
    stored = np.dtype(order + _TYPES[parts[3][1]])
    shape = tuple(np.frombuffer(parts[1][2], order + "i4", len(parts[1][2]) // 4).tolist())
    count = len(parts[3][2]) // stored.itemsize
    if not 0 < len(shape) <= _MAX_AXES or min(shape) < 0 or math.prod(shape) != count:
        raise FormatError(f"{where}: array {name!r}", expected=f"{shape} numbers", got=f"{count} of them")
    numbers = np.frombuffer(parts[3][2], stored, count).reshape(shape, order="F")
    kind = np.dtype(_CLASSES[flags & 0xFF])
    if kind.kind != "f" and not _fits(numbers, kind):
        raise FormatError(f"{where}: array {name!r}", expected=f"numbers of {kind}", got="others")
    with np.errstate(over="ignore"):  # a double may be too large for a float
        return name, numbers.astype(kind)


def _fits(numbers: NDArray[Any], kind: np.dtype[Any]) -> bool:
    if not numbers.size or np.can_cast(numbers.dtype, kind):
        return True
    bounds = np.iinfo(kind)
    # Beyond 2^53 a double cannot tell whether it fits.
    least, most = max(bounds.min, -(1 << 53)), min(bounds.max, 1 << 53)
    return bool(numbers.min() >= least and numbers.max() <= most)  # NaN is neither
