"""Event Streams (.es 2.x) that hold no contrast events: generic (any bytes, dated) and colour.

A record begins with a byte of time, us since the record before; 255 alone adds 254, 254 alone is a reset. Colour: then
u16 x and y (little endian, rows from below), and bytes red, green, blue. Generic: then the number of bytes, 7 bits a
byte from the low ones up, above bit 0, which is 1 if another follows; then the bytes; there is no width and height.
Source: the format's public specification (neuromorphic-paris, "Event Stream"); checked on files of ``event_stream``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import EventFormatError
from ranvier.data.formats import es

GENERIC, COLOUR = 0, 4
_ALONE, _OVERFLOW_US = 254, 254
_RECORD = 8  # bytes of a colour event
_SIZE_BITS = 35


class ColourEvents(NamedTuple):
    """Pixels that changed their colour."""

    t: NDArray[np.int64]  # (N,) us
    x: NDArray[np.int16]
    y: NDArray[np.int16]  # from above
    rgb_N3: NDArray[np.uint8]
    size: tuple[int, int]  # (H, W)


class Message(NamedTuple):
    """Dated bytes."""

    t: int  # us
    data: bytes


def read_colour(path: str | Path) -> ColourEvents:
    """Read a colour stream.

    Raises: EventFormatError, with path and byte offset, for another type, a partial record, or a pixel off the sensor.
    """
    data = _data(path, COLOUR)
    if len(data) < 20:
        raise _refuse(path, 16, "a width and a height", "the end of the file")
    width, height = int.from_bytes(data[16:18], "little"), int.from_bytes(data[18:20], "little")
    if not (0 < width <= 1 << 15 and 0 < height <= 1 << 15):
        raise _refuse(path, 16, "sides of 1 to 32768 pixels", f"width {width}, height {height}")
    raw = np.frombuffer(data, np.uint8, offset=20)
    starts = es.record_starts(raw >= _ALONE, _RECORD)
    lead = raw[starts]
    single = lead >= _ALONE
    if starts.size and not single[-1] and starts[-1] + _RECORD > raw.size:
        got = f"{raw.size - int(starts[-1])} bytes at the end"
        raise _refuse(path, 20 + int(starts[-1]), f"records of {_RECORD} bytes", got)
    steps = np.where(single, _OVERFLOW_US * (lead == 255), lead).astype(np.int64)
    t, places = np.cumsum(steps)[~single], starts[~single]
    x = raw[places + 1].astype(np.int32) | raw[places + 2].astype(np.int32) << 8
    y = height - 1 - (raw[places + 3].astype(np.int32) | raw[places + 4].astype(np.int32) << 8)
    off = (x >= width) | (y < 0)
    if off.any():
        first = int(np.argmax(off))
        expected = f"a pixel of a sensor of {height} x {width} (height x width)"
        raise _refuse(path, 20 + int(places[first]), expected, f"x = {x[first]}, y = {y[first]}")
    rgb = raw[places[:, None] + np.arange(5, 8)]
    return ColourEvents(t, x.astype(np.int16), y.astype(np.int16), rgb, (height, width))


def read_generic(path: str | Path) -> Iterator[Message]:
    """Give the messages of a generic stream.

    Raises: EventFormatError, with path and byte offset, for another type, or a message that the file does not hold.
    """
    data = _data(path, GENERIC)
    t, at = 0, 16
    while at < len(data):
        step, begin = data[at], at
        at += 1
        if step >= _ALONE:
            t += _OVERFLOW_US if step == 255 else 0
            continue
        t += step
        size = shift = 0
        more = True
        while more:
            if at >= len(data) or shift >= _SIZE_BITS:
                raise _refuse(path, begin, "the size of a message", "the end of the file or too many bytes")
            size |= (data[at] >> 1) << shift
            more, shift, at = bool(data[at] & 1), shift + 7, at + 1
        if at + size > len(data):
            raise _refuse(path, begin, f"a message of at most {len(data) - at} bytes", f"{size} declared")
        yield Message(t, data[at : at + size])
        at += size


def _data(path: str | Path, kind: int) -> bytes:
    data = Path(path).read_bytes()
    if len(data) < 16 or not data.startswith(es.MAGIC) or data[12] != 2:
        raise _refuse(path, 0, "an Event Stream header of version 2", repr(data[:16]))
    if data[15] != kind:
        raise _refuse(path, 15, f"type {kind}", str(data[15]))
    return data


def _refuse(path: str | Path, at: int, expected: str, got: str) -> EventFormatError:
    return EventFormatError(f"{path}: byte {at}", expected=expected, got=got, path=str(path), offset=at)
