"""AEDAT 4 (DV): packets of FlatBuffers, plain or packed by LZ4 or Zstandard.

"#!AER-DAT4.0\\r\\n", a size-prefixed FlatBuffer "IOHE" (compression, place of the index table, XML that names the
streams), then packets: i32 stream, i32 length, and a size-prefixed FlatBuffer of that length. EVTS holds a vector of
pixel events of 16 bytes: i64 time in us since 1970, i16 x, i16 y, bool ON. FRME is a frame, IMUS and TRIG hold vectors;
these are counted, not given. Packets end at the index table. A packet unpacks to 16 MiB at most.
Repair: a packet that cannot be read is skipped; if its length makes no sense, reading goes on at the next packed frame
or identifier of pixel events.
Source: iniVation's AEDAT file format specification, version 4.0.
"""

import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ranvier.core.errors import EventFormatError
from ranvier.data.events import Events
from ranvier.data.formats import flatbuffer, native, unpack
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.interface import ByteReader, Columns, Decoded, Format, Gathered, Mark
from ranvier.data.formats.stretch import Stretch

MAGIC = b"#!AER-DAT4.0\r\n"
Compression = Literal["none", "lz4", "zstd"]
_FIELDS: Any = {"names": ["t", "x", "y", "on"], "formats": ["<i8", "<i2", "<i2", "u1"], "offsets": [0, 8, 10, 12]}
_EVENT: np.dtype[Any] = np.dtype(_FIELDS | {"itemsize": 16})
_HEAD = struct.Struct("<ii")
_CODES = {0: "none", 1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
_NAMES = {b"FRME": "frames", b"IMUS": "imu samples", b"TRIG": "triggers", b"EVTS": ""}
_ENOUGH = 1 << 18  # events a chunk
_MANY = 1 << 20  # the same where all events of a file are put side by side, so that they take no memory of their own
_STEPS = 16  # as many bytes: 16 are an event
_MAX_HEADER = 4 << 20
_PACKET_EVENTS = 1 << 15
_STREAMS = 63  # of which the compiled decoder is told those of frames
_OTHER = 4  # bytes of an item of a vector of tables: an offset


_Read = Callable[[bytes, int, Gathered], None]  # the bytes of a packet, and where it lies
_Run = Callable[[Any, int, int, Gathered], int]


class _Layout(NamedTuple):
    stop: int  # where packets end
    declared: int  # where the header says they do, -1 if it does not
    kinds: dict[int, bytes]  # stream -> identifier


def sniff(head: bytes, size: int) -> bool:
    """Recognise the first line."""
    return head.startswith(MAGIC[:-2])


def open_(path: Path) -> ByteReader:
    """Read the header.

    Raises: EventFormatError if it is not that of AEDAT 4.
    """
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + 4)
        size = int.from_bytes(head[len(MAGIC) :], "little")
        head += file.read(min(size, _MAX_HEADER))
        end = file.seek(0, 2)

    def refuse(at: int, expected: str, got: str) -> EventFormatError:
        return EventFormatError(f"{path}: byte {at}", expected=expected, got=got, path=str(path), offset=at)

    begin = len(MAGIC) + 4
    if not head.startswith(MAGIC) or head[begin + 4 : begin + 8] != b"IOHE":
        raise refuse(0, "#!AER-DAT4.0 and a header IOHE", repr(head[:26]))
    if begin + size > len(head):
        raise refuse(len(MAGIC), f"a header of at most {len(head) - begin} bytes", f"{size} declared")
    table_bytes = head[begin : begin + size]
    try:
        table = flatbuffer.root(table_bytes, 0)
        code = flatbuffer.number32(table_bytes, flatbuffer.field(table_bytes, table, 0))
        declared = flatbuffer.number64(table_bytes, flatbuffer.field(table_bytes, table, 1), -1)
        place, length = flatbuffer.vector(table_bytes, flatbuffer.field(table_bytes, table, 2), 1)
    except flatbuffer.Broken as error:
        raise refuse(begin, "a sound header", str(error)) from error
    if code not in _CODES:
        raise refuse(begin, "compression 0 to 4", str(code))
    streams, sensor = _streams(table_bytes[place : place + length].decode("utf-8", "replace"))
    start = begin + size
    layout = _Layout(declared if start <= declared <= end else end, declared, {n: k for n, k in streams.items() if k})
    named = {number: kind.decode() for number, kind in layout.kinds.items()}
    facts = {"compression": _CODES[code], "streams": named}
    mark = Mark(start, False)
    return ByteReader(
        path=path,
        decode=partial(decode, layout=layout),
        compiled=native.given(partial(decode_compiled, layout=layout)),
        as_array=True,
        as_stretch=True,
        steps=_STEPS,
        start=mark,
        size=sensor,
        metadata=facts,
    )


def _streams(xml: str) -> tuple[dict[int, bytes], tuple[int, int] | None]:
    """Find the streams and the sensor's size in the XML by patterns: no parser, so no entity is ever expanded."""
    found: dict[int, bytes] = {}
    sides: dict[str, int] = {}
    stream = -1
    for match in re.finditer(r'<node name="([^"]{1,64})"|<attr key="(\w{1,32})"[^>]{0,64}>([^<]{0,64})<', xml):
        node, key, text = match.groups()
        if node is not None:
            stream = int(node) if re.fullmatch(r"\d{1,6}", node) else stream
        elif key == "typeIdentifier" and stream >= 0 and len(text) == 4 and text.isascii():
            found[stream] = text.encode()
        elif (
            key in ("sizeX", "sizeY") and re.fullmatch(r"[1-9]\d{0,4}", text) and found.get(stream, b"EVTS") == b"EVTS"
        ):
            sides.setdefault(key, int(text))
    size = (sides["sizeY"], sides["sizeX"]) if len(sides) == 2 else None
    return found, size


def decode(data: bytes, at: int, end: int, state: bool, *, layout: _Layout) -> Decoded:
    """Decode whole packets; the state says whether the next packet has to be searched for."""
    gathered = Gathered()
    used, state, need = _walk(data, at, end, state, layout, gathered, _read)
    return Decoded(gathered.chunk(), used, state, need)


def decode_compiled(
    data: bytes | Stretch, at: int, end: int, state: bool, room: native.Room | None = None, *, layout: _Layout
) -> Decoded:
    """Do what ``decode`` does; sound packets, many at once, in C++."""
    gathered = Gathered()
    enough = _ENOUGH if room is None else _MANY
    room, start = native.room(room, min(len(data) // 8, enough))
    packets = _Packets(layout, room, enough)
    used, state, need = _walk(data, at, end, state, layout, gathered, packets.read, packets.run, enough)
    return Decoded(gathered.chunk()._replace(columns=room.columns(start)), used, state, need)


class _Packets:
    """Puts the events of packets where there is room for them."""

    def __init__(self, layout: _Layout, room: native.Room, enough: int) -> None:
        self._stop, self._room, self._enough = layout.stop, room, enough
        self._frames = sum(
            1 << stream for stream, kind in layout.kinds.items() if kind == b"FRME" and stream < _STREAMS
        )

    def run(self, data: Any, used: int, at: int, gathered: Gathered) -> int:
        """Decode packets up to the first that is not sound, or not told apart in C++: how many bytes they take."""
        took = 0
        while used + took < len(data) and gathered.num < self._enough:
            here = at + used + took
            parameters = (self._stop - here, self._enough - gathered.num, self._frames)
            if isinstance(data, Stretch):
                rest = data.part(used + took, len(data) - used - took)
                found = self._room.decode("aedat4", rest, here, (), parameters)
            else:
                found = self._room.decode("aedat4", data, here, (), parameters, skip=used + took)
            took += found.used
            gathered.num += found.num
            for name, count in zip(("frames", "imu samples", "triggers"), found.kinds, strict=False):
                gathered.count(name, count)
            if not (more := found.state[0]):
                break
            self._room.more(more)
        return took

    def read(self, plain: bytes, here: int, gathered: Gathered) -> None:
        """Read an unpacked packet that was left to the twin."""
        if plain[8:12] != b"EVTS":
            _read(plain, here, gathered)
            return
        place, length = _vector(plain, _EVENT.itemsize)
        self._room.more(length)
        self._room.decode("aedat4_items", plain[place : place + length * _EVENT.itemsize], here, ())
        gathered.num += length


def _walk(
    data: Any,
    at: int,
    end: int,
    state: bool,
    layout: _Layout,
    gathered: Gathered,
    read: _Read,
    run: _Run | None = None,
    enough: int = _ENOUGH,
) -> tuple[int, bool, int]:
    """Go through packets: how many bytes were taken, the state, how many bytes are needed.

    Args: read: takes an unpacked packet. run: takes packets as long as these are sound; what it leaves is looked at.
        enough: events after which no packet is begun.
    """
    used, need = 0, 0
    while used < len(data) and gathered.num < enough:
        if at + used >= layout.stop:
            used = end - at
            break
        searching = state
        if searching:
            data = bytes(data)  # once: of bytes it is the same object
            took, state = _search(data, used, at, layout.stop, gathered)
            need = 0
        elif run is not None and (took := run(data, used, at, gathered)):
            used += took
            continue
        else:
            took, state, need = _packet(data, used, at, layout, gathered, read)
        if not took and state == searching:
            break
        used += took
    if at + used >= end and layout.declared > end:
        expected, got = f"{layout.declared} bytes before the index table", f"{end}"
        gathered.fault(Fault("index beyond the file", end, expected, got))
    return used, state, need


def _packet(data: Any, used: int, at: int, layout: _Layout, gathered: Gathered, read: _Read) -> tuple[int, bool, int]:
    """Read a packet: what was taken, whether to search, and how many bytes are needed if nothing was taken."""
    here, room = at + used, layout.stop - at - used
    if room < _HEAD.size:
        expected, got = f"packet headers of {_HEAD.size} bytes", f"{room} bytes at the end"
        gathered.fault(Fault("partial record", here, expected, got, num_bytes=room))
        return room, False, 0
    if len(data) - used < _HEAD.size:
        return 0, False, _HEAD.size
    stream, length = _HEAD.unpack(data[used : used + _HEAD.size])
    if stream < 0 or length < 12 or _HEAD.size + length > room:
        if gathered.again("broken packet header", 1):
            return 1, True, 0
        got = f"stream {stream}, {length} bytes, where {room - _HEAD.size} are left"
        fault = Fault("broken packet header", here, "a packet that ends before the index table", got, num_bytes=1)
        gathered.fault(fault)
        return 1, True, 0
    kind = layout.kinds.get(stream)
    if kind == b"FRME":
        gathered.count("frames", 1)
        return _HEAD.size + length, False, 0
    if len(data) - used < _HEAD.size + length:
        return 0, False, _HEAD.size + length
    skip = used + _HEAD.size
    try:
        if bytes(data[skip : skip + 4]) in (unpack.LZ4, unpack.ZSTD):
            read(unpack.unpack(bytes(data[skip : skip + length])), here, gathered)
        else:
            read(bytes(data[skip : skip + length]), here, gathered)
    except (flatbuffer.Broken, unpack.Refused) as error:
        took = _HEAD.size + length
        gathered.fault(Fault("broken packet", here, "a readable packet", str(error), num_bytes=took))
    return _HEAD.size + length, False, 0


def _read(plain: bytes, here: int, gathered: Gathered) -> None:
    """Read an unpacked packet."""
    kind = plain[8:12]
    if kind not in _NAMES:
        raise flatbuffer.Broken(f"a stream of type {kind!r}")
    if kind == b"FRME":
        gathered.count("frames", 1)
        return
    place, length = _vector(plain, _EVENT.itemsize if kind == b"EVTS" else _OTHER)
    if kind != b"EVTS":
        gathered.count(_NAMES[kind], length)
        return
    events = np.frombuffer(plain, _EVENT, length, place)
    columns = events["t"].astype(np.int64), events["x"].copy(), events["y"].copy(), events["on"].copy()
    gathered.columns.append(Columns(*columns, np.broadcast_to(np.int64(here), length)))
    gathered.num += length


def _vector(plain: bytes, item: int) -> tuple[int, int]:
    return flatbuffer.vector(plain, flatbuffer.field(plain, flatbuffer.root(plain, 4), 0), item)


def _search(data: bytes, used: int, at: int, stop: int, gathered: Gathered) -> tuple[int, bool]:
    """Skip to what looks like the next packet."""
    size, last = _HEAD.size, min(len(data), stop - at)
    # A packet is told by 20 bytes at most: the last 19 are looked at again with what follows them.
    shown = last if at + last == stop else last - 19
    best = -1
    for pattern, back in ((unpack.LZ4, size), (unpack.ZSTD, size), (b"EVTS", size + 8)):
        found = data.find(pattern, used + back)
        while found >= 0 and found - back < shown:
            stream, length = _HEAD.unpack_from(data, found - back)
            if 0 <= stream < 1 << 16 and 12 <= length <= stop - at - (found - back) - size:
                best = found - back if best < 0 else min(best, found - back)
                break
            found = data.find(pattern, found + 1)
    if best < 0:
        took = max(shown - used, 0)
    else:
        took = best - used
    if took and not gathered.again("bytes between packets", took):
        expected, got = "a packet", "bytes that are none"
        gathered.fault(Fault("bytes between packets", at + used, expected, got, num_bytes=took))
    return took, best < 0


def to_bytes(events: Events, *, compression: Compression = "none") -> bytes:
    """Write events as one stream, in packets of 32768.

    Raises: MissingExtraError if the compression needs a package that is not installed.
    """
    height, width = events.size
    code = {"none": 0, "lz4": 1, "zstd": 3}[compression]
    body = _xml(height, width).encode()
    body += b"\0" * (-len(body) % 4 or 4)
    # root -> table at 28 (vtable of 10 bytes at 16): compression, place of the index (-1: none), description
    vtable = struct.pack("<HHHHH", 10, 20, 4, 8, 16)
    table = struct.pack("<iiqI", 12, code, -1, 4) + struct.pack("<I", len(_xml(height, width))) + body
    header = struct.pack("<I", 28) + b"IOHE" + bytes(8) + vtable + bytes(2) + table
    pieces = [MAGIC, struct.pack("<I", len(header)), header]
    records: Any = np.zeros(len(events), _EVENT)
    records["t"], records["x"], records["y"], records["on"] = events.t, events.x, events.y, events.polarity
    for start in range(0, len(events), _PACKET_EVENTS):
        part = records[start : start + _PACKET_EVENTS]
        # root at 24 -> table (vtable of 6 bytes at 16) -> vector; the records begin at a multiple of 8
        flat = struct.pack("<I", 24) + b"EVTS" + bytes(8) + struct.pack("<HHH", 6, 8, 4) + bytes(2)
        flat += struct.pack("<iI", 8, 4) + struct.pack("<I", len(part)) + part.tobytes()
        payload = _packed(struct.pack("<I", len(flat)) + flat, compression)
        pieces += [_HEAD.pack(0, len(payload)), payload]
    return b"".join(pieces)


def _packed(payload: bytes, compression: Compression) -> bytes:
    if compression == "lz4":
        return bytes(unpack.library("lz4.frame").compress(payload))
    if compression == "zstd":
        return bytes(unpack.library("zstandard").ZstdCompressor().compress(payload))
    return payload


def _xml(height: int, width: int) -> str:
    def attr(key: str, kind: str, value: object) -> str:
        return f'<attr key="{key}" type="{kind}">{value}</attr>'

    sides = attr("sizeX", "int", width) + attr("sizeY", "int", height) + attr("source", "string", "ranvier")
    return (
        '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
        '<node name="0" path="/mainloop/Recorder/outInfo/0/">'
        + attr("compression", "string", "NONE")
        + attr("originalOutputName", "string", "events")
        + attr("typeIdentifier", "string", "EVTS")
        + f'<node name="info" path="/mainloop/Recorder/outInfo/0/info/">{sides}</node></node></node></dv>'
    )


def write(path: Path, events: Events, *, compression: Compression = "none") -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events, compression=compression))


FORMAT = Format(name="aedat4", title="AEDAT 4", sniff=sniff, open=open_, write=write)
