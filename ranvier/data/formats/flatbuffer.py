"""FlatBuffers read by hand: the few steps that AEDAT 4 needs, each checked against the bytes that are there.

A buffer: u32 root offset, 4 bytes identifier; a table: i32 back to its vtable; a vtable: u16 its size, u16 the table's
size, u16 the place of each field in the table (0: absent); vectors and strings: u32 offset, there u32 length.
Source: the FlatBuffers documentation, "FlatBuffer internals".
"""

import struct

_U16, _U32, _I32, _I64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<q")


class Broken(Exception):  # noqa: N818 # never leaves the formats: it becomes a fault
    """An offset leads out of the buffer."""


def _get(code: struct.Struct, data: bytes, at: int) -> int:
    if at < 0 or at + code.size > len(data):
        raise Broken(f"an offset to byte {at} of {len(data)}")
    return int(code.unpack_from(data, at)[0])


def root(data: bytes, start: int) -> int:
    """Find the root table of the buffer at ``start``."""
    return start + _get(_U32, data, start)


def field(data: bytes, table: int, number: int) -> int | None:
    """Find field ``number`` of a table; None if it is absent."""
    vtable = table - _get(_I32, data, table)
    size = _get(_U16, data, vtable)
    if 4 + 2 * number + 2 > size:
        return None
    offset = _get(_U16, data, vtable + 4 + 2 * number)
    return table + offset if offset else None


def number32(data: bytes, at: int | None, default: int = 0) -> int:
    """Read an int32 field."""
    return default if at is None else _get(_I32, data, at)


def number64(data: bytes, at: int | None, default: int = 0) -> int:
    """Read an int64 field."""
    return default if at is None else _get(_I64, data, at)


def vector(data: bytes, at: int | None, item: int) -> tuple[int, int]:
    """Find a vector of items of ``item`` bytes: its first byte and its length, which the buffer is sure to hold."""
    if at is None:
        return 0, 0
    place = at + _get(_U32, data, at)
    length = _get(_U32, data, place)
    if place + 4 + length * item > len(data):
        raise Broken(f"a vector of {length} items at byte {place} of {len(data)}")
    return place + 4, length
