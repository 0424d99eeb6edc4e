"""N-MNIST / ATIS ``.bin``: events of 40 bits without a header.

Five bytes per event: x, y, then 1 bit polarity (1 = ON) and 23 bits time in microseconds, big endian. A record with
y = 240 is no event: it adds 8192 us to the time of every event after it (N-MNIST itself is too short to need one).
Source: Orchard, Jayawant, Cohen and Thakor 2015, Front. Neurosci. 9:437, and the readers published with it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, ShapeError
from ranvier.data.events import Events, first_bad

RECORD = 5
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
_T_MAX = (1 << 23) - 1


def read(path: str | Path, *, size: tuple[int, int] = (34, 34)) -> Events:
    """Read a recording; ``size`` is the sensor's (height, width), which the format does not store.

    Raises: FormatError, naming path and byte offset, for a partial record, an event off the sensor, or backward time.
    """
    return parse(Path(path).read_bytes(), size=size, where=str(path))


def parse(data: bytes | bytearray, *, size: tuple[int, int] = (34, 34), where: str = "bytes") -> Events:
    """Parse the bytes of a recording; as ``read``. ``where`` names the source in errors."""
    if rest := len(data) % RECORD:
        at = len(data) - rest
        raise FormatError(f"{where}: byte {at}", expected=f"records of {RECORD} bytes", got=f"{rest} bytes at the end")
    raw = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    x, y, polarity = raw[:, 0].astype(np.int16), raw[:, 1].astype(np.int16), raw[:, 2] >> np.uint8(7)
    t = ((raw[:, 2] & 0x7F).astype(np.int64) << 16) | (raw[:, 3].astype(np.int64) << 8) | raw[:, 4]
    kept: NDArray[np.intp] | None = None
    markers = y == OVERFLOW_Y
    if markers.any():
        kept = np.flatnonzero(~markers)
        t += OVERFLOW_US * np.cumsum(markers)
        t, x, y, polarity = t[kept], x[kept], y[kept], polarity[kept]
    if (bad := first_bad(t, x, y, polarity, size)) is not None:
        record = bad[0] if kept is None else int(kept[bad[0]])
        raise FormatError(f"{where}: byte {record * RECORD}", expected=bad[1], got=bad[2])
    return Events(t, x, y, polarity, size)


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
