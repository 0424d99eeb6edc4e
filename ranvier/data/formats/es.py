"""Event Stream (.es) 2.x, pixel events of DVS and ATIS.

"Event Stream", 3 bytes version, 1 byte type, then u16 width and height (little endian). A record is a byte of time and
two little-endian u16, x and y. DVS: the byte is dt << 1 | p; 255 alone is an overflow, 127 us; 254 alone a reset.
ATIS: dt << 2 | p << 1 | exposure; 252 + n alone is an overflow of n times 63 us (n = 0: a reset). dt is the time in us
since the record before. Exposure events of the ATIS are no contrast events: they are counted, not given.
Generic, colour and display streams hold no contrast events and are refused by name (``formats/es_streams.py`` reads the
first two). Rows are stored from below and given from above: y = height - 1 - bits.
Source: the format's public specification (neuromorphic-paris, "Event Stream") and its public readers.
"""

import math
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import EventFormatError, ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import native
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns

MAGIC = b"Event Stream"
RECORD = 5
DVS, ATIS = 1, 2
_HEADER = len(MAGIC) + 8
_TYPES = {0: "generic", DVS: "DVS", ATIS: "ATIS", 3: "display", 4: "colour", 5: "liquid"}
_READERS = {0: "read_generic", 4: "read_colour"}
_ALONE = {DVS: 254, ATIS: 252}  # lead bytes from here on stand alone
_OVERFLOW_US = 127
_MAX_OVERFLOWS = 1 << 27
_RUNS = 64  # stretches that are followed one by one


def sniff(head: bytes, size: int) -> bool:
    """Recognise the magic words."""
    return head.startswith(MAGIC)


def open_(path: Path) -> ByteReader:
    """Read the header.

    Raises: EventFormatError for another version than 2, a type without contrast events, or a sensor without pixels.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER)

    def refuse(at: int, expected: str, got: str, mend: str = "") -> EventFormatError:
        where = f"{path}: byte {at}"
        return EventFormatError(where, expected=expected, got=got, mend=mend, path=str(path), offset=at)

    if len(head) < len(MAGIC) + 4 or not head.startswith(MAGIC):
        raise refuse(0, "an Event Stream header", repr(head[:16]))
    version, kind = tuple(head[12:15]), head[15]
    if version[0] != 2:
        raise refuse(12, "version 2", ".".join(map(str, version)))
    if kind not in _ALONE:
        mend = f"It is read by formats.es_streams.{_READERS[kind]}(path)." if kind in _READERS else ""
        raise refuse(15, "type 1 (DVS) or 2 (ATIS)", f"{kind} ({_TYPES.get(kind, 'unknown')})", mend)
    if len(head) < _HEADER:
        raise refuse(16, "a width and a height", "the end of the file")
    width, height = int.from_bytes(head[16:18], "little"), int.from_bytes(head[18:20], "little")
    if not (0 < width <= 1 << 15 and 0 < height <= 1 << 15):
        raise refuse(16, "sides of 1 to 32768 pixels", f"width {width}, height {height}")
    facts = {"version": ".".join(map(str, version)), "type": _TYPES[kind]}
    read = partial(decode, kind=kind, height=height)
    compiled = native.given(partial(decode_compiled, kind=kind, height=height))
    return ByteReader(
        path=path,
        decode=read,
        compiled=compiled,
        as_array=True,
        start=Mark(_HEADER, 0),
        size=(height, width),
        metadata=facts,
    )


def decode(data: bytes, at: int, end: int, state: int, *, kind: int, height: int) -> Decoded:
    """Decode whole records; the state is the time so far."""
    raw = np.frombuffer(data, np.uint8)
    alone = raw >= _ALONE[kind]
    starts = record_starts(alone)
    used = raw.size
    if used and not alone[starts[-1]] and starts[-1] > used - RECORD:
        used, starts = int(starts[-1]), starts[:-1]
    if not used and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    lead, single = raw[starts], alone[starts]
    shift = 1 if kind == DVS else 2
    steps = (lead >> shift).astype(np.int64)
    steps[single] = _OVERFLOW_US * (lead[single] == 255) if kind == DVS else 63 * (lead[single] & 3).astype(np.int64)
    times = state + np.cumsum(steps)
    after = int(times[-1]) if times.size else state
    others = {}
    kept = ~single
    if kind == ATIS and (exposure := int((kept & (lead & 1 == 1)).sum())):
        kept &= lead & 1 == 0
        others["exposure events"] = exposure
    places = starts[kept]
    x = raw[places + 1].astype(np.int32) | raw[places + 2].astype(np.int32) << 8
    y = height - 1 - (raw[places + 3].astype(np.int32) | raw[places + 4].astype(np.int32) << 8)
    polarity = (lead[kept] >> (shift - 1)) & 1
    chunk = Chunk(Columns(times[kept], x, y, polarity, at + places), others=others)
    if at + len(data) == end and used < len(data):
        return Decoded(leftover(chunk, at + used, len(data) - used, RECORD), len(data), after)
    return Decoded(chunk, used, after)


def decode_compiled(
    data: bytes, at: int, end: int, state: int, room: native.Room | None = None, *, kind: int, height: int
) -> Decoded:
    """Do what ``decode`` does, in C++."""
    room, start = native.room(room, len(data) // RECORD + 1)
    found = room.decode("es", data, at, (state,), (kind, height))
    if found.unfit or not found.used:
        room.back(start)
        return decode(data, at, end, state, kind=kind, height=height)
    others = {"exposure events": found.others} if found.others else {}
    chunk, after = Chunk(room.columns(start), others=others), found.state[0]
    if at + len(data) == end and found.used < len(data):
        return Decoded(leftover(chunk, at + found.used, len(data) - found.used, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


def record_starts(alone: NDArray[np.bool_], record: int = RECORD) -> NDArray[np.int64]:
    """Find where records begin, the first at 0: one that begins at an ``alone`` byte is 1 byte long, others ``record``.

    Long stretches without lone bytes are strides. What is left is cut into blocks; the records are followed in all
    blocks at once from each of the places where a block's first record may begin, then the blocks are linked.
    """
    found: list[NDArray[np.int64]] = []
    at, size = 0, alone.size
    for _ in range(_RUNS):
        if at >= size:
            break
        stretch = alone[at::record]
        length = int(np.argmax(stretch))
        if not stretch[length]:
            found.append(np.arange(at, size, record))
            at = size
            break
        found.append(np.arange(at, at + record * length + 1, record))
        at += record * length + 1
    if at < size:
        found.append(at + _linked(alone[at:], record))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _linked(alone: NDArray[np.bool_], record: int) -> NDArray[np.int64]:
    block = max(math.isqrt(alone.size), record)  # as many blocks as steps in a block
    num = -(-alone.size // block)
    step = np.full(num * block, record, np.int64)
    step[: alone.size][alone] = 1
    ends = block * np.arange(1, num + 1)
    place = (ends - block)[:, None] + np.arange(record)
    going = place < ends[:, None]
    while going.any():
        place[going] += step[place[going]]
        going = place < ends[:, None]
    leaves = (place - ends[:, None]).tolist()  # [block][phase at its start]: phase at the start of the next
    phases, phase = [], 0
    for leave in leaves:
        phases.append(phase)
        phase = leave[phase]
    here = ends - block + np.array(phases, np.int64)
    marked = np.zeros(num * block, bool)
    while here.size:
        marked[here] = True
        after = here + step[here]
        here = after[after < ends]
        ends = ends[after < ends]
    return np.flatnonzero(marked[: alone.size])


def to_bytes(events: Events, *, kind: int = DVS) -> bytes:
    """Write events as a DVS or ATIS stream.

    Raises: ShapeError for a negative first time or gaps of very many overflows.
    """
    height, width = events.size
    if len(events) and events.t[0] < 0:
        raise ShapeError("es, event 0", expected="a time >= 0 us", got=f"{events.t[0]} us")
    largest, shift = (_OVERFLOW_US, 1) if kind == DVS else (63, 2)
    gaps = np.diff(events.t, prepend=0)
    overflows = gaps // largest
    if int(overflows.sum()) > _MAX_OVERFLOWS:
        got, expected = f"{overflows.sum()}", f"at most {_MAX_OVERFLOWS} overflows of {largest} us"
        raise ShapeError("es", expected=expected, got=got, mend="Subtract the time of the first event.")
    ends = np.cumsum(overflows + RECORD)
    one = 255 if kind == DVS else 253
    raw = np.full(int(ends[-1]) if len(events) else 0, one, np.uint8)
    lead = ends - RECORD
    raw[lead] = (gaps % largest) << shift | events.polarity.astype(np.int64) << (shift - 1)
    for offset, value in ((1, events.x), (3, height - 1 - events.y)):
        raw[lead + offset], raw[lead + offset + 1] = value & 0xFF, value >> 8
    head = MAGIC + bytes([2, 0, 0, kind]) + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return head + raw.tobytes()


def write(path: Path, events: Events) -> None:
    """Write events as a DVS stream; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="es", title="Event Stream 2", sniff=sniff, open=open_, write=write)
