"""Prophesee EVT 3.0: RAW of 16-bit words, each of which changes a part of the decoder's state.

Bits 15..12 say what a word is. 0 y: bits 10..0. 2 one event: bits 10..0 x, bit 11 polarity. 3 base of a vector: x,
polarity. 4 and 5 vectors of 12 and 8 pixels: a set bit i is an event at base + i; then the base moves on by 12 or 8.
6 low 12 bits of the time, 8 high 12 bits. 10 trigger; 7, 13, 14, 15 vendor words.
Time is the latest high << 12 | the latest low, in us; a high of another value makes the low 0 until the next low.
The 24 bits wrap every 16.8 s and are unrolled: a high more than half the range below the one before is a wrap; nothing
else is, above all no low that steps back. Events whose y, base or time the file has not told yet are left out and
counted as "untimed".
Source: Prophesee's Metavision documentation, "EVT 3.0 format".
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import native, prophesee
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns
from ranvier.data.formats.unroll import Counter, unroll

Ints = NDArray[Any]

RECORD = 2
LOW, HIGH = 12, 12
_KNOWN = (0, 2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15)
_WIDTH = np.array([0, 0, 0, 0, 12, 8] + [0] * 10, np.int64)
_MAX_SIDE = 1 << 11
_BLOCK = 64 * 12  # events that the compiled decoder wants room for before it goes on


class State(NamedTuple):
    """What the words so far have set; -1 where none has."""

    high: Counter = Counter(-1)
    low: int = 0
    y: int = -1
    base: int = -1
    polarity: int = 0  # of the vectors


def sniff(head: bytes, size: int) -> bool:
    """Recognise the header's version."""
    return prophesee.parse(head).version == "3.0"


def open_(path: Path) -> ByteReader:
    """Read the header."""
    header = prophesee.read(path)
    start = Mark(header.end, State(high=Counter(-1, header.wraps)))
    return ByteReader(
        path=path,
        decode=decode,
        compiled=native.given(decode_compiled),
        as_array=True,
        start=start,
        size=header.size,
        metadata=header.facts,
    )


def decode(data: bytes, at: int, end: int, state: State) -> Decoded:
    """Decode whole words."""
    count, rest = divmod(len(data), RECORD)
    if not count and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    words = np.frombuffer(data, "<u2", count)
    kind = (words >> 12).astype(np.uint8)
    events = np.flatnonzero((kind == 2) | (kind == 4) | (kind == 5))
    time, state = _times(words, kind, events, state)
    y, state = _rows(words, kind, events, state)
    x, polarity, state = _pixels(words, kind, events, state)
    of_kind, found = kind[events], words[events]
    masks = np.where(of_kind == 2, 1, np.where(of_kind == 4, found & 0xFFF, found & 0xFF)).astype("<u2")
    of, bit = prophesee.expand(masks)
    t, y, x = time[of], y[of], x[of] + bit
    columns = Columns(t, x, y, polarity[of], (at + RECORD * events)[of])
    faults, others = prophesee.told(kind, _KNOWN, at, RECORD)
    if t.size and (unknown := (t == _UNKNOWN) | (y < 0) | (x < 0)).any():
        others["untimed"] = int(unknown.sum())
        columns = Columns(*(np.asarray(column)[~unknown] for column in columns[:5]))
    chunk = Chunk(columns, faults, others)
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), state)
    return Decoded(chunk, count * RECORD, state)


def decode_compiled(data: bytes, at: int, end: int, state: State, room: native.Room | None = None) -> Decoded:
    """Do what ``decode`` does, in C++; stops earlier where vectors hold very many events."""
    count, rest = divmod(len(data), RECORD)
    if not count:
        return decode(data, at, end, state)
    room, start = native.room(room, count + _BLOCK)
    found = room.decode("evt3", data, at, (*state.high, *state[1:]))
    if found.unfit:
        room.back(start)
        return decode(data, at, end, state)
    first = found.first_unknown
    faults, others = prophesee.counted(found.kinds, _KNOWN, RECORD, at + first, int(data[first + 1]) >> 4)
    if found.untimed:
        others["untimed"] = found.untimed
    value, wraps, *more = found.state
    chunk, after = Chunk(room.columns(start), faults, others), State(Counter(value, wraps), *more)
    if at + len(data) == end and rest and found.used == count * RECORD:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


_UNKNOWN = -(1 << 62)


def _times(words: Ints, kind: Ints, events: Ints, state: State) -> tuple[Ints, State]:
    """Give each event word its time."""
    marks = np.flatnonzero((kind == 6) | (kind == 8))
    is_high, values = kind[marks] == 8, (words[marks] & 0xFFF).astype(np.int64)
    raw = values[is_high]
    highs, high = unroll(raw, HIGH, state.high)
    before = (state.high.wraps << HIGH) + state.high.value if state.high.value >= 0 else _UNKNOWN >> LOW
    high_at = np.concatenate(([before], highs))[np.cumsum(is_high)]
    # A low is set by its word, or to 0 by a high that differs from the one before.
    sets = ~is_high
    sets[is_high] = np.diff(raw, prepend=state.high.value) != 0
    latest = np.maximum.accumulate(np.where(sets, np.arange(marks.size), -1))
    low_values = np.where(is_high, 0, values)
    low_at = np.where(latest >= 0, low_values[latest], state.low) if marks.size else low_values
    times = np.where(high_at == _UNKNOWN >> LOW, _UNKNOWN, (high_at << LOW) | low_at)
    first = (before << LOW) | state.low if state.high.value >= 0 else _UNKNOWN
    given = prophesee.repeated(np.concatenate(([first], times)), marks, events)
    low = int(low_at[-1]) if marks.size else state.low
    return given, state._replace(high=high, low=low)


def _rows(words: Ints, kind: Ints, events: Ints, state: State) -> tuple[Ints, State]:
    """Give each event word its y."""
    marks = np.flatnonzero(kind == 0)
    rows = np.concatenate(([state.y], words[marks] & 0x7FF)).astype(np.int16)
    return prophesee.repeated(rows, marks, events), state._replace(y=int(rows[-1]))


def _pixels(words: Ints, kind: Ints, events: Ints, state: State) -> tuple[Ints, Ints, State]:
    """Give each event word its x, that of bit 0 for a vector, and its polarity."""
    marks = np.flatnonzero((kind >= 3) & (kind <= 5))
    of_kind, values = kind[marks], words[marks].astype(np.int64)
    width = _WIDTH[of_kind]
    moved = np.cumsum(width) - width
    is_base = of_kind == 3
    group = np.cumsum(is_base)
    origin = np.concatenate(([state.base], (values[is_base] & 0x7FF) - moved[is_base]))
    sign = np.concatenate(([state.polarity], (values[is_base] >> 11) & 1)).astype(np.uint8)
    if state.base < 0:
        origin[0] = -(1 << 40)  # stays below 0, however far the base moves
    found = words[events]
    single = kind[events] == 2
    x, polarity = (found & 0x7FF).astype(np.int64), ((found >> 11) & 1).astype(np.uint8)
    x[~single] = (origin[group] + moved)[~is_base]
    polarity[~single] = sign[group][~is_base]
    if not marks.size:
        return x, polarity, state
    base = int(origin[group[-1]] + moved[-1] + width[-1])
    return x, polarity, state._replace(base=max(base, -1), polarity=int(sign[-1]))


def to_bytes(events: Events) -> bytes:
    """Write events, each as a word of its own, with words of time and row where these change.

    Raises: ShapeError for a sensor of more than 2048 pixels a side, or gaps of very many periods of the time counter.
    """
    height, width = events.size
    if max(height, width) > _MAX_SIDE:
        raise ShapeError("evt3", expected=f"a sensor of at most {_MAX_SIDE} pixels a side", got=f"{height} x {width}")
    num = len(events)
    first = int(events.t[0]) >> (LOW + HIGH) if num else 0
    t, y = events.t - (first << (LOW + HIGH)), events.y
    highs, values = prophesee.high_words(t >> LOW, HIGH, "evt3")
    lows, rows = np.ones(num, bool), np.ones(num, bool)
    lows[1:], rows[1:] = t[1:] != t[:-1], y[1:] != y[:-1]
    ends = np.cumsum(highs + lows + rows + 1)
    words = np.zeros(int(ends[-1]) if num else 0, "<u2")
    free = np.ones(words.size, bool)
    for which, back, value in (
        (slice(None), np.ones(num, np.int64), 2 << 12 | events.polarity.astype(np.int64) << 11 | events.x),
        (rows, 1 + rows, y.astype(np.int64)),
        (lows, 1 + rows + lows, 6 << 12 | (t & 0xFFF)),
    ):
        places = (ends - back)[which]
        words[places], free[places] = value[which], False
    words[free] = 8 << 12 | values
    return prophesee.header_bytes(events, "3.0", first) + words.tobytes()


def write(path: Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="evt3", title="Prophesee RAW, EVT 3.0", sniff=sniff, open=open_, write=write)
