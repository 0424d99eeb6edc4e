"""Prophesee EVT 2.0: RAW of 32-bit words.

Bits 31..28 say what a word is. 0 OFF and 1 ON event: bits 27..22 low 6 bits of the time, 21..11 x, 10..0 y.
8 TIME_HIGH: bits 27..0 are time >> 6. 10 trigger; 14, 15 vendor words. Time is in us; its 34 bits wrap every 4 h 46 min
and are unrolled: a TIME_HIGH more than half the range below the one before is a wrap. Events before the first TIME_HIGH
have no time; they are left out and counted as "untimed".
Source: Prophesee's Metavision documentation, "EVT 2.0 format".
"""

from pathlib import Path

import numpy as np

from ranvier.core.errors import ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import native, prophesee
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns
from ranvier.data.formats.stretch import Stretch
from ranvier.data.formats.unroll import Counter, unroll

RECORD = 4
LOW, HIGH = 6, 28  # bits of the time
_KNOWN = (0, 1, 8, 10, 14, 15)
_MAX_SIDE = 1 << 11


def sniff(head: bytes, size: int) -> bool:
    """Recognise the header's version."""
    return prophesee.parse(head).version == "2.0"


def open_(path: Path) -> ByteReader:
    """Read the header."""
    header = prophesee.read(path)
    start = Mark(header.end, Counter(-1, header.wraps))
    return ByteReader(
        path=path,
        decode=decode,
        compiled=native.given(decode_compiled),
        as_array=True,
        as_stretch=True,
        start=start,
        size=header.size,
        metadata=header.facts,
    )


def decode(data: bytes, at: int, end: int, state: Counter) -> Decoded:
    """Decode whole words; the state is the latest TIME_HIGH, -1 if there was none."""
    count, rest = divmod(len(data), RECORD)
    if not count and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    words = np.frombuffer(data, "<u4", count)
    kind = (words >> 28).astype(np.uint8)
    events, marks = np.flatnonzero(kind <= 1), np.flatnonzero(kind == 8)
    highs, after = unroll((words[marks] & 0xFFFFFFF).astype(np.int64), HIGH, state)
    others = {}
    if state.value < 0:
        untimed = int(np.searchsorted(events, marks[0])) if marks.size else events.size
        events, others = events[untimed:], {"untimed": untimed} if untimed else {}
    before = (state.wraps << HIGH) + state.value
    found = words[events]
    t = (prophesee.repeated(np.concatenate(([before], highs)), marks, events) << LOW) | ((found >> 22) & 63)
    x, y = ((found >> 11) & 0x7FF).astype(np.int16), (found & 0x7FF).astype(np.int16)
    columns = Columns(t, x, y, kind[events], at + RECORD * events)
    faults, counted = prophesee.told(kind, _KNOWN, at, RECORD)
    chunk = Chunk(columns, faults, others | counted)
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, count * RECORD, after)


def decode_compiled(
    data: bytes | Stretch, at: int, end: int, state: Counter, room: native.Room | None = None
) -> Decoded:
    """Do what ``decode`` does, in C++."""
    count, rest = divmod(len(data), RECORD)
    if not count:
        return decode(bytes(data), at, end, state)
    room, start = native.room(room, count)
    found = room.decode("evt2", data, at, state)
    first = found.first_unknown
    faults, counted = prophesee.counted(
        found.kinds, _KNOWN, RECORD, at + first, int(data[first + 3]) >> 4 if first >= 0 else -1
    )
    others = {"untimed": found.untimed} if found.untimed else {}
    chunk, after = Chunk(room.columns(start), faults, others | counted), Counter(*found.state[:2])
    if at + len(data) == end and rest and found.used == count * RECORD:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


def to_bytes(events: Events) -> bytes:
    """Write events.

    Raises: ShapeError for a sensor of more than 2048 pixels a side, or gaps of very many periods of the time counter.
    """
    height, width = events.size
    if max(height, width) > _MAX_SIDE:
        raise ShapeError("evt2", expected=f"a sensor of at most {_MAX_SIDE} pixels a side", got=f"{height} x {width}")
    first = int(events.t[0]) >> (LOW + HIGH) if len(events) else 0
    t = events.t - (first << (LOW + HIGH))
    counts, values = prophesee.high_words(t >> LOW, HIGH, "evt2")
    words = np.empty(len(events) + values.size, "<u4")
    is_event = np.zeros(words.size, bool)
    is_event[np.cumsum(counts + 1) - 1] = True
    words[~is_event] = values.astype(np.uint32) | np.uint32(8 << 28)
    place = events.x.astype(np.uint32) << 11 | events.y.astype(np.uint32)
    words[is_event] = place | (t & 63).astype(np.uint32) << 22 | events.polarity.astype(np.uint32) << 28
    return prophesee.header_bytes(events, "2.0", first) + words.tobytes()


def write(path: Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="evt2", title="Prophesee RAW, EVT 2.0", sniff=sniff, open=open_, write=write)
