"""Prophesee DAT: 8 bytes per event after a header of text (GEN1, N-CARS).

"%" lines, then one byte event type (0 or 12: pixel events, 14: triggers) and one byte record size (8; legacy files lack
these two bytes), then little-endian records: u32 time in us, u32 payload. Version 2: x = bits 13..0, y = 27..14,
p = 31..28. Version 1: x = bits 8..0, y = 16..9, p = 20..17. The time wraps every 71.6 minutes and is unrolled: a step
back by more than 2^31 us is a wrap. Without Width and Height (N-CARS) the sensor's size is taken from the events.
Source: the header as Prophesee's Metavision documentation ("DAT file format") describes it, and public sample files.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranvier.core.errors import EventFormatError, ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import native, preamble
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns
from ranvier.data.formats.stretch import Stretch
from ranvier.data.formats.unroll import KEY, Counter, Note, applied, notes_for, read_notes, unroll

RECORD = 8
BITS = 32
_PIXELS, _TRIGGERS = (0, 12), 14
_MAX_SIDE = 1 << 14


class _Layout(NamedTuple):
    version: int
    start: int  # byte of the first record
    notes: tuple[Note, ...]
    triggers: bool


def sniff(head: bytes, size: int) -> bool:
    """Recognise "%" lines followed by the two bytes of a DAT file, or the sentence that legacy files begin with."""
    if not head.startswith(b"%"):
        return False
    found = preamble.split(head, "%")
    named = {"evt", "format"} & set(preamble.fields(found.lines))
    told = any(line.startswith("Data file containing") for line in found.lines)
    kind = head[found.end : found.end + 2]
    return not named and (told or (len(kind) == 2 and kind[1] == RECORD and kind[0] in (*_PIXELS, _TRIGGERS)))


def open_(path: Path) -> ByteReader:
    """Read the header.

    Raises: EventFormatError for a version, event type or record size that is not known.
    """
    found = preamble.read(path, "%")
    facts: dict[str, Any] = dict(preamble.fields(found.lines))
    with path.open("rb") as file:
        file.seek(found.end)
        kind = file.read(2)
    version = facts.get("Version", "2")
    if version not in ("1", "2"):
        raise EventFormatError(
            f"{path}: header", expected="DAT version 1 or 2", got=repr(version)[:40], path=str(path), offset=0
        )
    legacy = len(kind) < 2 or kind[1] != RECORD or kind[0] not in (*_PIXELS, _TRIGGERS)
    if legacy and (path.stat().st_size - found.end) % RECORD:
        got = f"{kind.hex()} before records that do not fill the file"
        raise EventFormatError(
            f"{path}: byte {found.end}",
            expected="event type 0, 12 or 14 and record size 8",
            got=got,
            path=str(path),
            offset=found.end,
        )
    start = found.end + (0 if legacy else 2)
    layout = _Layout(int(version), start, read_notes(found.lines, BITS), not legacy and kind[0] == _TRIGGERS)
    size = _size(facts)
    return ByteReader(
        path=path,
        decode=partial(decode, layout=layout),
        compiled=native.given(partial(decode_compiled, layout=layout)),
        as_array=True,
        as_stretch=True,
        start=Mark(start, Counter()),
        size=size,
        metadata=facts,
    )


def _size(facts: dict[str, Any]) -> tuple[int, int] | None:
    sides = [str(facts.get(key, "")) for key in ("Height", "Width")]
    if not all(side.isdecimal() and len(side) < 6 and 0 < int(side) <= _MAX_SIDE for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def decode(data: bytes, at: int, end: int, state: Counter, *, layout: _Layout) -> Decoded:
    """Decode whole records."""
    count, rest = divmod(len(data), RECORD)
    if not count and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    words = np.frombuffer(data, "<u4", count * 2).reshape(-1, 2)
    chunk = Chunk(no_columns(), others={"triggers": count})
    if not layout.triggers:
        t, state = unroll(words[:, 0].astype(np.int64), BITS, state)
        if layout.notes:
            t = applied(t, (at - layout.start) // RECORD, layout.notes, BITS)
        payload = words[:, 1]
        if layout.version == 2:
            x, y = (payload & 0x3FFF).astype(np.int16), ((payload >> 14) & 0x3FFF).astype(np.int16)
            polarity = (payload >> 28).astype(np.uint8)
        else:
            x, y = (payload & 0x1FF).astype(np.int16), ((payload >> 9) & 0xFF).astype(np.int16)
            polarity = ((payload >> 17) & 0xF).astype(np.uint8)
        chunk = Chunk(Columns(t, x, y, polarity, range(at, at + count * RECORD, RECORD)))
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), state)
    return Decoded(chunk, count * RECORD, state)


def decode_compiled(
    data: bytes | Stretch, at: int, end: int, state: Counter, room: native.Room | None = None, *, layout: _Layout
) -> Decoded:
    """Do what ``decode`` does, in C++."""
    count, rest = divmod(len(data), RECORD)
    if not count or layout.triggers or layout.notes:
        return decode(bytes(data), at, end, state, layout=layout)
    room, start = native.room(room, count)
    found = room.decode("dat", data, at, state, (layout.version,))
    chunk, after = Chunk(room.columns(start)), Counter(*found.state[:2])
    if at + len(data) == end and rest and found.used == count * RECORD:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


def to_bytes(events: Events) -> bytes:
    """Write events as DAT version 2.

    Raises: ShapeError for a sensor of more than 16384 pixels a side, or too many gaps longer than 2^31 us.
    """
    height, width = events.size
    if max(height, width) > _MAX_SIDE:
        raise ShapeError("dat", expected=f"a sensor of at most {_MAX_SIDE} pixels a side", got=f"{height} x {width}")
    notes = "".join(f"% {KEY} {record} {count}\n" for record, count in notes_for(events.t, BITS, "dat"))
    header = f"% Data file containing CD events.\n% Version 2\n% Height {height}\n% Width {width}\n{notes}"
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events.t & 0xFFFFFFFF
    words[:, 1] = (
        events.x.astype(np.uint32) | events.y.astype(np.uint32) << 14 | events.polarity.astype(np.uint32) << 28
    )
    return header.encode() + bytes([_PIXELS[1], RECORD]) + words.tobytes()


def write(path: Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="dat", title="Prophesee DAT", sniff=sniff, open=open_, write=write)
