"""Frames, samples of the inertial sensor and special events of AEDAT 3.1; ``formats/aedat3.py`` has the packets.

Special event (type 0): u32 of bit 0 valid and bits 1..7 kind; u32 time. Inertial sample (types 3 and 4): u32 of bit 0
valid; u32 time; f32 acceleration (g) and rotation (degrees a second) along x, y, z, temperature, and for type 4 the
magnetic field (uT). Frame (type 2): u32 of bit 0 valid and bits 1..3 channels; u32 times of start and end of the frame
and of the exposure; i32 width, height, x and y on the sensor; then u16 pixels. Packed frames:
``formats/aedat3_png.py``.
Source: iniVation's AEDAT file format specification, version 3.1.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats import aedat3, aedat3_png
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.streams import Found, Frame, Imu, Others, Triggers

NAMES = {
    0: "timestamp wrap",
    1: "timestamp reset",
    2: "external signal, rising edge",
    3: "external signal, falling edge",
    4: "external signal, pulse",
}
_SPECIAL, _FRAME, _IMU6, _IMU9 = 0, 2, 3, 4
_SIZES = {_SPECIAL: 8, _IMU6: 36, _IMU9: 48}
_HEADER = struct.Struct("<HHIIIIII")
_FRAME_HEAD = struct.Struct("<I4I4i")
_SEARCHED = 1 << 22
_MOST = 1 << 28  # bytes of a packet
_PNG_SIZE = struct.Struct("<i")


def walk(path: Path) -> Iterator[Found]:
    """Give what each packet holds besides pixel events, in the order of the file, and what is broken."""
    at = aedat3.open_(path).start.position
    with path.open("rb") as file:
        end = file.seek(0, 2)
        while at < end:
            file.seek(at)
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                got = f"{len(head)} bytes at the end"
                expected = f"packet headers of {_HEADER.size} bytes"
                yield Fault("partial record", at, expected, got, num_bytes=len(head))
                return
            kind, _, size, offset, overflow, capacity, number, valid = _HEADER.unpack(head)
            packed = kind == _FRAME | aedat3_png.PACKED_TYPE
            body = capacity if packed else capacity * size
            sane = (kind < 64 or packed) and 0 < size <= _MOST and valid <= number <= capacity and offset < size
            if not sane or at + _HEADER.size + body > end:
                got = f"type {kind}, events of {size} bytes, capacity {capacity}, number {number}, valid {valid}"
                expected = "the header of a packet that ends within the file"
                yield Fault("broken packet header", at, expected, got, num_bytes=1)
                at = _next(file, at + 1, end)
                continue
            if packed:
                yield from _packed(file, at + _HEADER.size, body, number, min(overflow, (1 << 30) - 1) << 31)
            elif kind in (_SPECIAL, _FRAME, _IMU6, _IMU9) and number:
                yield from _packet(file, at, kind, size, number, min(overflow, (1 << 30) - 1) << 31)
            at += _HEADER.size + body


def _packet(file: BinaryIO, at: int, kind: int, size: int, number: int, base: int) -> Iterator[Found]:
    """Read the events of a packet; ``base`` is added to their times."""
    at += _HEADER.size
    if kind == _FRAME:
        for place in range(at, at + number * size, size):
            file.seek(place)
            found = _frame(file.read(size), place, base)
            if found is not None:
                yield found
        return
    if size != _SIZES[kind]:
        yield Fault("broken packet", at, f"events of {_SIZES[kind]} bytes", f"{size} bytes", num_bytes=number * size)
        return
    file.seek(at)
    words = np.frombuffer(file.read(number * size), "<u4").reshape(number, size // 4)
    words = words[(words[:, 0] & 1) == 1]
    t = words[:, 1].astype(np.int64) + base
    if kind == _SPECIAL:
        yield Triggers(t, ((words[:, 0] >> 1) & 0x7F).astype(np.int16), NAMES)
        return
    values: NDArray[np.float32] = np.ascontiguousarray(words[:, 2:]).view("<f4").astype(np.float32)
    field = values[:, 7:10] if kind == _IMU9 else np.full((len(t), 3), np.nan, np.float32)
    yield Imu(t, values[:, 0:3], values[:, 3:6], field, values[:, 6])


def _packed(file: BinaryIO, at: int, left: int, number: int, base: int) -> Iterator[Found]:
    """Read the frames of a packet of ``left`` bytes at byte ``at``; each is packed or plain."""
    for _ in range(number):
        file.seek(at)
        head = file.read(min(left, _FRAME_HEAD.size + _PNG_SIZE.size))
        took = _size(head)
        if took is None or took > left:
            got = f"{len(head)} bytes" if took is None else f"{took} bytes declared, {left} left of the packet"
            yield Fault("broken packet", at, "a frame that ends within its packet", got, num_bytes=left)
            return
        file.seek(at)
        found = _frame(file.read(took), at, base, may_be_packed=True)
        if found is not None:
            yield found
        at, left = at + took, left - took


def _size(head: bytes) -> int | None:
    """Give how many bytes a frame of a packed packet takes; None if its header is cut or makes no sense."""
    if len(head) < _FRAME_HEAD.size:
        return None
    info, *_, width, height, _, _ = _FRAME_HEAD.unpack_from(head)
    if not info & aedat3_png.PACKED:
        return _FRAME_HEAD.size + 2 * int(max(width, 0) * max(height, 0) * ((info >> 1) & 7))
    if len(head) < _FRAME_HEAD.size + _PNG_SIZE.size:
        return None
    (num,) = _PNG_SIZE.unpack_from(head, _FRAME_HEAD.size)
    return None if num < 0 else _FRAME_HEAD.size + _PNG_SIZE.size + int(num)


def _frame(data: bytes, at: int, base: int, *, may_be_packed: bool = False) -> Frame | Fault | None:
    """Read a frame of a packet; None if it is marked invalid."""
    head, room = _FRAME_HEAD.size, len(data)
    if room < head:
        return Fault("broken frame", at, f"a header of {head} bytes", f"{room} bytes", num_bytes=room)
    info, _, stop_frame, start, stop, width, height, x, y = _FRAME_HEAD.unpack_from(data)
    if not info & 1:
        return None
    channels = (info >> 1) & 7
    num = width * height * channels
    packed = bool(info & aedat3_png.PACKED)
    if packed and may_be_packed:
        try:
            image = aedat3_png.grey(data[head + _PNG_SIZE.size :], width, height, channels)
        except aedat3_png.Refused as error:
            expected = f"a grey PNG image of {height} x {width}, 16 bits"
            return Fault("broken frame", at, expected, str(error), num_bytes=room)
        return Frame(base + stop_frame, base + start, base + stop, image, x, y)
    if packed or channels not in (1, 3, 4) or width < 1 or height < 1 or head + 2 * num > room:
        mark = ", packed" if packed else ""
        got = f"{height} x {width} x {channels} in {room - head} bytes{mark}"
        return Fault("broken frame", at, "plain pixels of 16 bits that fit", got, num_bytes=room)
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.frombuffer(data, "<u2", num, head).reshape(shape).astype(np.uint16)
    return Frame(base + stop_frame, base + start, base + stop, image, x, y)


def _next(file: BinaryIO, at: int, end: int) -> int:
    """Find the next header of a packet of a known type and size."""
    known = [(1, 8, 4), *((kind, size, 4) for kind, size in _SIZES.items())]
    patterns = [(struct.pack("<II", size, offset), kind) for kind, size, offset in known]
    while at < end:
        file.seek(at)
        data = file.read(min(_SEARCHED, end - at))
        places = []
        for pattern, kind in patterns:
            found = data.find(pattern, 4)
            while found >= 0:
                if data[found - 4 : found - 2] == kind.to_bytes(2, "little"):
                    places.append(found - 4)
                    break
                found = data.find(pattern, found + 1)
        if places:
            return at + min(places)
        at += max(len(data) - 16, 1) if at + len(data) < end else len(data)
    return end


OTHERS = Others(walk=walk, names=NAMES)
