"""N-MNIST / ATIS ``.bin``: events of 40 bits without a header.

Five bytes per event: x, y, then 1 bit polarity (1 = ON) and 23 bits time in microseconds, big endian. A record with
y = 240 is no event: it adds 8192 us to the time of every event after it (N-MNIST itself is too short to need one).
Without a magic number the format is recognised by times that rise, and the sensor's size must be given or found.
Source: Orchard, Jayawant, Cohen and Thakor 2015, Front. Neurosci. 9:437, and the readers published with it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, ShapeError
from ranvier.data.events import Events, first_bad
from ranvier.data.formats import native
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns
from ranvier.data.formats.stretch import Stretch

RECORD = 5
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
_T_MAX = (1 << 23) - 1
_MAX_MARKERS = 1 << 25
_SNIFFED = 2048  # records


def read(path: str | Path, *, size: tuple[int, int] = (34, 34)) -> Events:
    """Read a recording; ``size`` is the sensor's (height, width), which the format does not store.

    Raises: FormatError, naming path and byte offset, for a partial record, an event off the sensor, or backward time.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 # making a Path costs as much as reading the file
        data = file.readall()
    return parse(data, size=size, where=str(path))


def parse(data: bytes | bytearray, *, size: tuple[int, int] = (34, 34), where: str = "bytes") -> Events:
    """Parse the bytes of a recording; as ``read``. ``where`` names the source in errors."""
    if rest := len(data) % RECORD:
        at = len(data) - rest
        raise FormatError(f"{where}: byte {at}", expected=f"records of {RECORD} bytes", got=f"{rest} bytes at the end")
    if (sound := _sound(data, size)) is not None:
        return sound
    t, x, y, polarity, kept = _columns(data, len(data) // RECORD, 0)
    if (bad := first_bad(t, x, y, polarity, size)) is not None:
        record = bad[0] if kept is None else int(kept[bad[0]])
        raise FormatError(f"{where}: byte {record * RECORD}", expected=bad[1], got=bad[2])
    return Events(t, x, y, polarity, size)


def _sound(data: bytes | bytearray, size: tuple[int, int]) -> Events | None:
    """Decode records in C++; None if there is anything to say about them, or nothing to decode with."""
    if native.absence() is not None:
        return None
    columns, bounds = native.at_once("nmnist_bin", data, len(data) // RECORD, (0,))
    height, width = size
    if not bounds.rising or bounds.x_high >= width or bounds.y_high >= height:
        return None
    return Events(*columns, size)


def _columns(
    data: bytes | bytearray, count: int, markers_before: int
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int16], NDArray[np.uint8], NDArray[np.intp] | None]:
    """Give t, x, y, polarity and, if there are markers among the records, the numbers of those that are events."""
    raw = np.frombuffer(data, np.uint8, count * RECORD).reshape(-1, RECORD)
    x, y, polarity = raw[:, 0].astype(np.int16), raw[:, 1].astype(np.int16), raw[:, 2] >> np.uint8(7)
    # The last four bytes of each record as one number, which begins with y and the polarity.
    words = np.ndarray((count,), ">u4", data, 1, (RECORD,)) if count else np.zeros(0, np.uint32)
    t = words.astype(np.int64)
    t &= _T_MAX
    if markers_before:
        t += OVERFLOW_US * markers_before
    if not count or y.max() < OVERFLOW_Y:
        return t, x, y, polarity, None
    markers = y == OVERFLOW_Y
    if not markers.any():
        return t, x, y, polarity, None
    kept = np.flatnonzero(~markers)
    t += OVERFLOW_US * np.cumsum(markers)
    return t[kept], x[kept], y[kept], polarity[kept], kept


def decode(data: bytes, at: int, end: int, state: int) -> Decoded:
    """Decode whole records; the state is the number of markers so far."""
    count, rest = divmod(len(data), RECORD)
    if not count and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    t, x, y, polarity, kept = _columns(data, count, state)
    places = range(at, at + count * RECORD, RECORD) if kept is None else at + RECORD * kept
    chunk = Chunk(Columns(t, x, y, polarity, places))
    after = state + count - t.size
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, count * RECORD, after)


def decode_compiled(data: bytes | Stretch, at: int, end: int, state: int, room: native.Room | None = None) -> Decoded:
    """Do what ``decode`` does, in C++."""
    count, rest = divmod(len(data), RECORD)
    if not count:
        return decode(bytes(data), at, end, state)
    room, start = native.room(room, count)
    found = room.decode("nmnist_bin", data, at, (state,))
    chunk, after = Chunk(room.columns(start)), found.state[0]
    if at + len(data) == end and rest and found.used == count * RECORD:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


def sniff(head: bytes, size: int) -> bool:
    """Recognise records whose times never step back, are not all one, and that fill the file."""
    count = min(len(head) // RECORD, _SNIFFED)
    if size % RECORD or count < 2:
        return False
    t = _columns(head, count, 0)[0]
    return bool(t.size and (t[1:] >= t[:-1]).all() and t[-1] > t[0])


def open_(path: Path) -> ByteReader:
    """Open a file; it has no header."""
    return ByteReader(
        path=path,
        decode=decode,
        compiled=native.given(decode_compiled),
        as_array=True,
        as_stretch=True,
        start=Mark(0, 0),
    )


def to_bytes(events: Events) -> bytes:
    """Write events in this format; times above 23 bits get overflow markers.

    Raises: ShapeError if a time is negative, x exceeds 255 or y reaches the marker's 240.
    """
    height, width = events.size
    if height > OVERFLOW_Y or width > 256:
        raise ShapeError("nmnist_bin", expected="a sensor of at most 240 x 256", got=f"{height} x {width}")
    if len(events) and events.t[0] < 0:
        raise ShapeError("nmnist_bin, event 0", expected="a time >= 0 us", got=f"{events.t[0]} us")
    markers_before = np.maximum(0, -((_T_MAX - events.t) // OVERFLOW_US))
    t = events.t - markers_before * OVERFLOW_US
    if len(events) and markers_before[-1] > _MAX_MARKERS:
        got = f"{events.t[-1]} us"
        expected = f"a time that takes at most {_MAX_MARKERS} overflow markers"
        raise ShapeError("nmnist_bin", expected=expected, got=got, mend="Subtract the time of the first event.")
    at = np.arange(len(events)) + markers_before
    raw = np.zeros((len(events) + (int(markers_before[-1]) if len(events) else 0), RECORD), np.uint8)
    raw[:, 1] = OVERFLOW_Y
    raw[at, 0], raw[at, 1] = events.x, events.y
    raw[at, 2] = (events.polarity << 7) | (t >> 16).astype(np.uint8)
    raw[at, 3], raw[at, 4] = (t >> 8) & 0xFF, t & 0xFF
    return raw.tobytes()


def write(path: str | Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="nmnist_bin", title="N-MNIST / ATIS .bin", sniff=sniff, open=open_, write=write)
