"""Frames, samples of the inertial sensor and triggers of AEDAT 4; ``formats/aedat4.py`` has the layout of the file.

FRME is a table: i64 time, of start and end of the frame, of start and end of the exposure; i8 format (0 grey, 16 BGR,
24 BGRA; 8 bits a channel), i16 width, height, x and y on the sensor, and a vector of pixels; later files leave out the
four times and give i64 exposure in field 11, from the time on. IMUS is a vector of tables: i64 time, f32 temperature,
acceleration (g), rotation (degrees a second) and magnetic field (uT) along x, y, z. TRIG is a vector of tables: i64
time, i8 kind.
Source: iniVation's AEDAT file format specification, version 4.0, and the FlatBuffers schemas it names.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats import aedat4, flatbuffer, unpack
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.streams import Found, Frame, Imu, Others, Triggers

NAMES = {
    0: "timestamp reset",
    1: "external signal, rising edge",
    2: "external signal, falling edge",
    3: "external signal, pulse",
    4: "external generator, rising edge",
    5: "external generator, falling edge",
    6: "frame start",
    7: "frame end",
    8: "exposure start",
    9: "exposure end",
}
_HEAD = struct.Struct("<ii")
_CHANNELS = {0: 1, 16: 3, 24: 4}
_WANTED = (b"FRME", b"IMUS", b"TRIG")
_IMU = ("<i8", *["<f4"] * 10)  # time, temperature, acceleration, rotation, field
_LEAST = 8  # bytes of an item: its offset and an empty table
_GATHERED = 1 << 15  # items looked up at a time
_SEARCHED = 1 << 22  # bytes looked through at a time for the next packet


def walk(path: Path) -> Iterator[Found]:
    """Give what each packet holds besides pixel events, in the order of the file, and what is broken."""
    reader = aedat4.open_(path)
    kinds = {number: name.encode() for number, name in reader.metadata["streams"].items()}
    with path.open("rb") as file:
        end = file.seek(0, 2)
        at, stop = reader.start.position, _stop(path, end)
        while at < stop:
            file.seek(at)
            head = file.read(_HEAD.size)
            stream, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (-1, 0)
            if stream < 0 or length < 12 or at + _HEAD.size + length > stop:
                got = f"stream {stream}, {length} bytes, where {max(stop - at - _HEAD.size, 0)} are left"
                yield Fault("broken packet header", at, "a packet that ends before the index table", got, num_bytes=1)
                at = _next(file, at + 1, stop)
                continue
            if kinds.get(stream, b"FRME") in _WANTED:
                yield from _packet(file.read(length), at)
            at += _HEAD.size + length


def _stop(path: Path, end: int) -> int:
    """Find where packets end: at the index table, if the header tells where it is."""
    with path.open("rb") as file:
        file.seek(len(aedat4.MAGIC))
        table = file.read(4 + int.from_bytes(file.read(4), "little"))
    declared = flatbuffer.number64(table, flatbuffer.field(table, flatbuffer.root(table, 0), 1), -1)
    return declared if 0 < declared <= end else end


def _next(file: BinaryIO, at: int, stop: int) -> int:
    """Find the next place that looks like a packet."""
    while at < stop:
        file.seek(at)
        data = file.read(min(_SEARCHED, stop - at))
        places = []
        for pattern, back in ((unpack.LZ4, 8), (unpack.ZSTD, 8), *((name, 16) for name in (*_WANTED, b"EVTS"))):
            found = data.find(pattern, back)
            while found >= 0:
                stream, length = _HEAD.unpack_from(data, found - back)
                if 0 <= stream < 1 << 16 and 12 <= length <= stop - at - (found - back) - _HEAD.size:
                    places.append(found - back)
                    break
                found = data.find(pattern, found + 1)
        if places:
            return at + min(places)
        at += max(len(data) - 32, 1) if at + len(data) < stop else len(data)
    return stop


def _packet(payload: bytes, at: int) -> Iterator[Found]:
    """Read a packet that begins at byte ``at`` of the file."""
    try:
        packed = payload.startswith((unpack.LZ4, unpack.ZSTD))
        plain = unpack.unpack(payload) if packed else payload
        kind = plain[8:12]
        if kind not in _WANTED:
            return
        table = flatbuffer.root(plain, 4)
        if kind == b"FRME":
            yield _frame(plain, table)
            return
        tables = _tables(plain, table)
        if kind == b"IMUS":
            yield _imu(plain, tables)
        else:
            t, number = _columns(plain, tables, ("<i8", "i1"))
            yield Triggers(t.astype(np.int64), number.astype(np.int16), NAMES)
    except (flatbuffer.Broken, unpack.Refused) as error:
        yield Fault("broken packet", at, "a readable packet", str(error), num_bytes=len(payload) + _HEAD.size)


def _frame(data: bytes, table: int) -> Frame:
    def number(which: int, code: str) -> int:
        place = flatbuffer.field(data, table, which)
        size = struct.calcsize(code)
        if place is None:
            return 0
        if place + size > len(data):
            raise flatbuffer.Broken(f"an offset to byte {place} of {len(data)}")
        return int(struct.unpack_from(code, data, place)[0])

    t, start, stop = number(0, "<q"), number(3, "<q"), number(4, "<q")
    code, width, height, x, y = number(5, "<b"), *(number(which, "<h") for which in (6, 7, 8, 9))
    if code not in _CHANNELS:
        raise flatbuffer.Broken(f"a frame of format {code}")
    place, length = flatbuffer.vector(data, flatbuffer.field(data, table, 10), 1)
    channels = _CHANNELS[code]
    if width < 1 or height < 1 or length != width * height * channels:
        raise flatbuffer.Broken(f"a frame of {height} x {width} x {channels} in {length} bytes")
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.frombuffer(data, np.uint8, length, place).reshape(shape).copy()
    if not start and not stop:
        start, stop = t, t + number(11, "<q")
    return Frame(t, start, stop, image, x, y)


def _imu(data: bytes, tables: NDArray[np.int64]) -> Imu:
    t, temperature, *axes = _columns(data, tables, _IMU)
    three = [np.stack(axes[first : first + 3], 1) for first in (0, 3, 6)]
    return Imu(t.astype(np.int64), three[0], three[1], three[2], temperature)


def _tables(data: bytes, table: int) -> NDArray[np.int64]:
    """Find the tables of the vector in field 0: (N,), the first byte of each."""
    place, length = flatbuffer.vector(data, flatbuffer.field(data, table, 0), 4)
    items = place + 4 * np.arange(length, dtype=np.int64)
    found = items + np.frombuffer(data, "<u4", length, place).astype(np.int64)
    if length * _LEAST > len(data):
        raise flatbuffer.Broken(f"{length} items in {len(data)} bytes")
    if length and int(found.max()) + 4 > len(data):
        raise flatbuffer.Broken(f"an offset to byte {found.max()} of {len(data)}")
    return found


def _columns(data: bytes, tables: NDArray[np.int64], types: tuple[str, ...]) -> list[NDArray[Any]]:
    """Read the first fields of tables: (N,) of each type; 0 where a table lacks it. Tables share few vtables."""
    raw = np.frombuffer(data, np.uint8)
    out: list[NDArray[Any]] = [np.zeros(len(tables), np.dtype(kind)) for kind in types]
    if not len(tables):
        return out
    vtables = tables - _gather(raw, tables, "<i4")
    shared, which = np.unique(vtables, return_inverse=True)
    if len(shared) > 1 << 12:
        raise flatbuffer.Broken(f"{len(shared)} layouts of {len(tables)} items")
    for index, vtable in enumerate(shared.tolist()):
        members = np.flatnonzero(which == index)
        first = int(tables[members[0]])
        for number, kind in enumerate(types):
            place = flatbuffer.field(data, first, number) if vtable >= 0 else None
            if place is not None:
                out[number][members] = _gather(raw, tables[members] + (place - first), kind)
    return out


def _gather(raw: NDArray[np.uint8], places: NDArray[np.int64], kind: str) -> NDArray[Any]:
    """Read one number at each place."""
    dtype = np.dtype(kind)
    if int(places.min()) < 0 or int(places.max()) + dtype.itemsize > raw.size:
        raise flatbuffer.Broken(f"an offset to byte {places.max()} of {raw.size}")
    out = np.empty(len(places), dtype)
    for first in range(0, len(places), _GATHERED):
        some = places[first : first + _GATHERED]
        out[first : first + _GATHERED] = raw[some[:, None] + np.arange(dtype.itemsize)].view(dtype)[:, 0]
    return out


OTHERS = Others(walk=walk, names=NAMES)
