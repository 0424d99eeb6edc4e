"""AEDAT 3.1 (cAER, DVS128 Gesture): packets after a header of "#" lines that ends with "#!END-HEADER".

A packet has a header of 28 bytes, little endian: u16 type (1: pixel events), u16 source, u32 event size (8), u32 offset
of the time in an event (4), u32 overflows of the time, u32 capacity, u32 number, u32 valid; then capacity events.
A pixel event is two u32: bit 0 valid, bit 1 polarity, bits 16..2 y, 31..17 x; and the time, to which overflows << 31
is added. Events marked invalid are left out and counted; so are events of other types. Of packed frames the capacity is
the number of bytes (``formats/aedat3_png.py``).
Repair: after a header that makes no sense, reading goes on at the next one that announces pixel events.
Source: iniVation's AEDAT file format specification, version 3.1.
"""

import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranvier.core.errors import EventFormatError, ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import aedat3_png, native, preamble
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.interface import ByteReader, Columns, Decoded, Format, Gathered, Mark

MAGIC = b"#!AER-DAT3."
HEADER = 28
RECORD = 8
_PACKET = struct.Struct("<HHIIIIII")
_POLARITY = 1
_PACKED_FRAMES = 2 | aedat3_png.PACKED_TYPE
_NAMES = {0: "special events", 2: "frames", 3: "imu samples", 4: "imu samples", _PACKED_FRAMES: "frames"}
_PATTERN = struct.pack("<II", RECORD, 4)  # size and time offset of pixel events, bytes 4..11 of a packet's header
_AHEAD = 1 << 20  # how far a packet that cannot be right is looked through for the next one
_LAST = "!END-HEADER"
_CAMERAS = (("DVS128", (128, 128)), ("DAVIS240", (180, 240)), ("DAVIS346", (260, 346)), ("DAVIS640", (480, 640)))
_PACKET_EVENTS = 4096
_ENOUGH = 1 << 18  # events a chunk


class State(NamedTuple):
    """Where in a packet the next byte lies."""

    kind: int = 0
    left: int = 0  # bytes of the packet that are left
    events: int = 0  # records of it that are left and count
    overflow: int = 0
    lost: bool = False  # looking for the next packet


def sniff(head: bytes, size: int) -> bool:
    """Recognise the first line."""
    return head.startswith(MAGIC)


def open_(path: Path) -> ByteReader:
    """Read the header; the sensor's size is that of the camera named in it, else found from the events.

    Raises: EventFormatError if the header does not begin or end as it should.
    """
    found = preamble.read(path, "#", last=_LAST)
    if not found.lines or not found.lines[0].startswith("!AER-DAT3.") or found.lines[-1] != _LAST:
        at = found.end if found.lines else 0
        expected, got = "a header from #!AER-DAT3.1 to #!END-HEADER", f"{len(found.lines)} lines without an end"
        raise EventFormatError(f"{path}: byte {at}", expected=expected, got=got, path=str(path), offset=at)
    text = "\n".join(found.lines)
    size = next((size for name, size in _CAMERAS if name in text.upper()), None)
    if (match := re.search(r"^sensor (\d{1,5}) x (\d{1,5})$", text, re.MULTILINE)) is not None:
        size = (int(match[1]), int(match[2]))
    if size is not None and min(size) == 0:
        size = None
    facts = {"lines": found.lines[1:-1]}
    return ByteReader(
        path=path,
        decode=decode,
        compiled=native.given(decode_compiled),
        start=Mark(found.end, State()),
        size=size,
        metadata=facts,
    )


def decode(data: bytes, at: int, end: int, state: State) -> Decoded:
    """Decode packets, or the part of one that the bytes hold."""
    gathered, used, need = Gathered(), 0, 0
    while used < len(data) and gathered.num < _ENOUGH:
        took, state, need = _step(data, used, at, end, state, gathered)
        if not took:
            break
        used += took
    return Decoded(gathered.chunk(), used, state, need)


def decode_compiled(data: bytes, at: int, end: int, state: State, room: native.Room | None = None) -> Decoded:
    """Do what ``decode`` does; plain stretches of packets of pixel events in C++."""
    room, start = native.room(room, len(data) // RECORD + 1)
    gathered, used, need = Gathered(), 0, 0
    while used < len(data) and room.num - start < _ENOUGH:
        found = room.decode("aedat3", data, at + used, state, (end - at - used,), skip=used)
        if took := found.used:
            gathered.count("events marked invalid", found.others)
            state, need = State(*found.state[:4]), 0
        else:
            took, state, need = _step(data, used, at, end, state, gathered)
        if not took:
            break
        used += took
    assert not gathered.columns, "what is left to the twin holds no events"
    return Decoded(gathered.chunk()._replace(columns=room.columns(start)), used, state, need)


def _step(data: bytes, used: int, at: int, end: int, state: State, gathered: Gathered) -> tuple[int, State, int]:
    """Read a header, what is there of a packet, or on to the next one: what was taken, the state, the bytes needed."""
    if state.lost:
        return *_search(data, used, at, end, gathered), 0
    if state.left:
        return *_body(data, used, at, end, state, gathered), 0
    return _header(data, used, at, end, state, gathered)


def _header(data: bytes, used: int, at: int, end: int, state: State, gathered: Gathered) -> tuple[int, State, int]:
    """Read a packet's header: what was taken, the state, and how many bytes are needed if nothing was."""
    here, final = at + used, at + len(data) == end
    if len(data) - used < HEADER:
        if not final:
            return 0, state, HEADER
        rest = len(data) - used
        expected, got = f"packet headers of {HEADER} bytes", f"{rest} bytes at the end"
        gathered.fault(Fault("partial record", here, expected, got, num_bytes=rest))
        return rest, state, 0
    kind, _, size, offset, overflow, capacity, number, valid = _PACKET.unpack_from(data, used)
    known = kind < 64 or kind == _PACKED_FRAMES
    sane = known and 0 < size <= 1 << 28 and valid <= number <= capacity and offset < size
    sane = sane and (kind != _POLARITY or (size == RECORD and offset == 4))
    body = capacity if kind == _PACKED_FRAMES else capacity * size
    if sane and here + HEADER + body <= end:
        events = number if kind == _POLARITY else 0
        if kind != _POLARITY:
            gathered.count(_NAMES.get(kind, f"events of type {kind}"), number)
        return HEADER, State(kind, body, events, overflow), 0
    if sane and kind == _POLARITY:
        # Cut off, or a wrong count: tell by whether another packet follows.
        wanted = min(_AHEAD, end - here)
        if len(data) - used < wanted:
            return 0, state, wanted
        there = (end - here - HEADER) // RECORD
        got = f"{capacity} declared, room for {there}"
        fault = Fault("packet beyond the file", here, "a packet that ends within the file", got)
        if data.find(_PATTERN, used + HEADER, used + wanted) < 0:
            left, events = end - here - HEADER, min(number, there)
            gathered.fault(fault._replace(num_bytes=left - RECORD * events))
            return HEADER, State(kind, left, events, overflow), 0
        gathered.fault(fault._replace(num_bytes=1))
        return 1, State(lost=True), 0
    if gathered.again("broken packet header", 1):
        return 1, State(lost=True), 0
    got = f"type {kind}, events of {size} bytes, capacity {capacity}, number {number}, valid {valid}"
    expected = "the header of a packet that ends within the file"
    gathered.fault(Fault("broken packet header", here, expected, got, num_bytes=1))
    return 1, State(lost=True), 0


def _search(data: bytes, used: int, at: int, end: int, gathered: Gathered) -> tuple[int, State]:
    """Skip to the next packet of pixel events."""
    found = data.find(_PATTERN, used + 4)
    state, stop = State(lost=True), len(data) - 11
    while found >= 0:
        if data[found - 4 : found - 2] == b"\1\0":
            state, stop = State(), found - 4
            break
        found = data.find(_PATTERN, found + 1)
    else:
        if at + len(data) == end:
            stop = len(data)
    took = max(stop - used, 0)
    if took and not gathered.again("bytes between packets", took):
        expected, got = "a packet", "bytes that are none"
        gathered.fault(Fault("bytes between packets", at + used, expected, got, num_bytes=took))
    if not took and not state.lost:
        return _header_now(data, used, at, end, gathered)
    return took, state


def _header_now(data: bytes, used: int, at: int, end: int, gathered: Gathered) -> tuple[int, State]:
    took, state, _ = _header(data, used, at, end, State(), gathered)
    return (took, state) if took else (0, State(lost=True))


def _body(data: bytes, used: int, at: int, end: int, state: State, gathered: Gathered) -> tuple[int, State]:
    """Read what is there of a packet's events; what does not count is passed over."""
    if not state.events:
        took = min(state.left, end - at - used)
        return took, State()
    count = min(state.events, (len(data) - used) // RECORD)
    if not count:
        if at + len(data) < end:
            return 0, state
        rest = len(data) - used
        expected, got = f"records of {RECORD} bytes", f"{rest} bytes at the end"
        gathered.fault(Fault("partial record", at + used, expected, got, num_bytes=rest))
        return rest, State()
    words = np.frombuffer(data, "<u4", count * 2, used).reshape(-1, 2)
    which = np.flatnonzero(words[:, 0] & 1)
    gathered.count("events marked invalid", count - which.size)
    # An overflow of more than 30 bits is no time of any recording; it is given as one that the judge refuses.
    t = words[which, 1].astype(np.int64) + (min(state.overflow, (1 << 31) - 1) << 31)
    word = words[which, 0]
    x, y = (word >> 17).astype(np.int16), ((word >> 2) & 0x7FFF).astype(np.int16)
    polarity = ((word >> 1) & 1).astype(np.uint8)
    gathered.columns.append(Columns(t, x, y, polarity, at + used + RECORD * which))
    gathered.num += count
    took = count * RECORD
    return took, state._replace(left=state.left - took, events=state.events - count)


def to_bytes(events: Events) -> bytes:
    """Write events in packets of 4096.

    Raises: ShapeError for a negative first time or one beyond 2^61 us.
    """
    if len(events) and (events.t[0] < 0 or events.t[-1] >= 1 << 61):
        got = f"{events.t[0]} to {events.t[-1]} us"
        raise ShapeError("aedat3", expected="times from 0 us to 2^61 us", got=got)
    height, width = events.size
    pieces = [f"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: ranvier\r\n#sensor {height} x {width}\r\n".encode()]
    pieces.append(b"#!END-HEADER\r\n")
    words: Any = np.empty((len(events), 2), "<u4")
    x, y = events.x.astype(np.uint32), events.y.astype(np.uint32)
    words[:, 0] = x << 17 | y << 2 | events.polarity.astype(np.uint32) << 1 | 1
    words[:, 1] = events.t & 0x7FFFFFFF
    overflow = events.t >> 31
    borders = np.unique(np.concatenate((np.flatnonzero(np.diff(overflow)) + 1, [0, len(events)])))
    for first, last in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        for start in range(first, last, _PACKET_EVENTS):
            num = min(_PACKET_EVENTS, last - start)
            pieces.append(_PACKET.pack(_POLARITY, 1, RECORD, 4, int(overflow[start]), num, num, num))
            pieces.append(words[start : start + num].tobytes())
    return b"".join(pieces)


def write(path: Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="aedat3", title="AEDAT 3.1", sniff=sniff, open=open_, write=write)
