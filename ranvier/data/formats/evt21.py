"""Prophesee EVT 2.1: RAW of 64-bit words that hold up to 32 neighbouring events each.

Bits 63..60 say what a word is. 0 OFF and 1 ON events: bits 59..54 low 6 bits of the time, 53..43 x of the first
neighbour, 42..32 y, 31..0 mask: bit i set is an event at x + i. 8 TIME_HIGH: bits 59..32 are time >> 6. 10 trigger;
14, 15 vendor words. Time as in EVT 2.0. In the legacy layout the 32-bit halves of each word are swapped; the header's
``endianness=legacy`` says so, else the types of the first words.
Source: Prophesee's Metavision documentation, "EVT 2.1 format".
"""

from functools import partial
from pathlib import Path

import numpy as np

from ranvier.core.errors import ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import native, prophesee
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns
from ranvier.data.formats.unroll import Counter, unroll

RECORD = 8
LOW, HIGH = 6, 28
_KNOWN = (0, 1, 8, 10, 14, 15)
_MAX_SIDE = 1 << 11
_EVENTS_A_WORD = 4  # that the compiled decoder makes room for
_SAMPLE = 4096  # words that are looked at to tell the layouts apart


def sniff(head: bytes, size: int) -> bool:
    """Recognise the header's version."""
    return prophesee.parse(head).version == "2.1"


def open_(path: Path) -> ByteReader:
    """Read the header and find out the layout."""
    header = prophesee.read(path)
    with path.open("rb") as file:
        file.seek(header.end)
        sample = file.read(_SAMPLE * RECORD)
    words = np.frombuffer(sample, "<u8", len(sample) // RECORD)
    straight, swapped = (int(np.isin((words >> np.uint64(bit)) & np.uint64(15), _KNOWN).sum()) for bit in (60, 28))
    legacy = header.legacy or swapped > straight
    facts = header.facts | {"layout": "legacy" if legacy else "standard"}
    start = Mark(header.end, Counter(-1, header.wraps))
    read, compiled = partial(decode, legacy=legacy), native.given(partial(decode_compiled, legacy=legacy))
    return ByteReader(
        path=path, decode=read, compiled=compiled, as_array=True, start=start, size=header.size, metadata=facts
    )


def decode(data: bytes, at: int, end: int, state: Counter, *, legacy: bool = False) -> Decoded:
    """Decode whole words; the state is the latest TIME_HIGH, -1 if there was none."""
    count, rest = divmod(len(data), RECORD)
    if not count and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    halves = np.frombuffer(data, "<u4", count * 2).reshape(-1, 2)
    masks, heads = halves[:, int(legacy)], halves[:, 1 - int(legacy)]
    kind = (heads >> 28).astype(np.uint8)
    groups, marks = np.flatnonzero(kind <= 1), np.flatnonzero(kind == 8)
    highs, after = unroll((heads[marks] & 0xFFFFFFF).astype(np.int64), HIGH, state)
    others = {}
    if state.value < 0:
        first = int(np.searchsorted(groups, marks[0])) if marks.size else groups.size
        untimed = prophesee.expand(masks[groups[:first]])[0].size
        groups, others = groups[first:], {"untimed": untimed} if untimed else {}
    before = (state.wraps << HIGH) + state.value
    head = heads[groups]
    time = (prophesee.repeated(np.concatenate(([before], highs)), marks, groups) << LOW) | ((head >> 22) & 63)
    of, bit = prophesee.expand(masks[groups])
    x = (((head >> 11) & 0x7FF).astype(np.int32)[of] + bit).astype(np.int16)
    y = (head & 0x7FF).astype(np.int16)[of]
    columns = Columns(time[of], x, y, kind[groups][of], (at + RECORD * groups)[of])
    faults, counted = prophesee.told(kind, _KNOWN, at, RECORD)
    chunk = Chunk(columns, faults, others | counted)
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, count * RECORD, after)


def decode_compiled(
    data: bytes, at: int, end: int, state: Counter, room: native.Room | None = None, *, legacy: bool = False
) -> Decoded:
    """Do what ``decode`` does, in C++; stops earlier where words hold very many events."""
    count, rest = divmod(len(data), RECORD)
    if not count:
        return decode(data, at, end, state, legacy=legacy)
    room, start = native.room(room, _EVENTS_A_WORD * count + 32)
    found = room.decode("evt21", data, at, state, (int(legacy),))
    first = found.first_unknown
    faults, counted = prophesee.counted(found.kinds, _KNOWN, RECORD, at + first, int(data[first + 7 - 4 * legacy]) >> 4)
    others = {"untimed": found.untimed} if found.untimed else {}
    chunk, after = Chunk(room.columns(start), faults, others | counted), Counter(*found.state[:2])
    if at + len(data) == end and rest and found.used == count * RECORD:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


def to_bytes(events: Events) -> bytes:
    """Write events; neighbours in order within 32 aligned pixels of a row share a word.

    Raises: ShapeError for a sensor of more than 2048 pixels a side, or gaps of very many periods of the time counter.
    """
    height, width = events.size
    if max(height, width) > _MAX_SIDE:
        raise ShapeError("evt21", expected=f"a sensor of at most {_MAX_SIDE} pixels a side", got=f"{height} x {width}")
    first = int(events.t[0]) >> (LOW + HIGH) if len(events) else 0
    t, x = events.t - (first << (LOW + HIGH)), events.x.astype(np.int64)
    key = np.stack((t, events.y, events.polarity, x >> 5))
    # A word is read from its lowest bit up, so a group goes on only while x rises.
    begins = np.ones(len(events), bool)
    begins[1:] = (key[:, 1:] != key[:, :-1]).any(0) | (x[1:] <= x[:-1])
    starts = np.flatnonzero(begins)
    masks = np.bitwise_or.reduceat(np.uint32(1) << (x & 31).astype(np.uint32), starts) if len(events) else x
    counts, values = prophesee.high_words(t[starts] >> LOW, HIGH, "evt21")
    halves = np.zeros((starts.size + values.size, 2), "<u4")
    is_event = np.zeros(len(halves), bool)
    is_event[np.cumsum(counts + 1) - 1] = True
    halves[~is_event, 1] = values.astype(np.uint32) | np.uint32(8 << 28)
    place = (x[starts] & ~31).astype(np.uint32) << 11 | events.y[starts].astype(np.uint32)
    polarity = events.polarity[starts].astype(np.uint32)
    halves[is_event, 0] = masks
    halves[is_event, 1] = place | (t[starts] & 63).astype(np.uint32) << 22 | polarity << 28
    return prophesee.header_bytes(events, "2.1", first) + halves.tobytes()


def write(path: Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="evt21", title="Prophesee RAW, EVT 2.1", sniff=sniff, open=open_, write=write)
