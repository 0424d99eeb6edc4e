"""AEDAT 2.0 (jAER): 8 bytes per word after a header of "#" lines.

Big-endian u32 address, u32 time in us. What an address means depends on the camera, a ``Profile``:
DVS128: bit 0 polarity (1 = OFF), bits 7..1 x, bits 14..8 y; given as jAER does, x = 127 - bits, ON = 1 - bit 0.
DAVIS: bit 31 set is no pixel event (frame or IMU), bit 10 a trigger; bits 30..22 y, 21..12 x, bit 11 polarity (1 = ON);
given as stored: jAER's rows count from below and its columns from the right, ``upright`` turns both.
The camera is taken from the header's AEChip line, else from the addresses. Times wrap every 71.6 minutes and are
unrolled: a step back by more than 2^31 us is a wrap.
Source: iniVation's AEDAT file format specification, version 2.0.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ranvier.core.errors import EventFormatError, ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import native, preamble
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, leftover, no_columns
from ranvier.data.formats.unroll import KEY, Counter, Note, applied, notes_for, read_notes, unroll

RECORD = 8
BITS = 32
MAGIC = b"#!AER-DAT2.0"
_LAST = "End Of ASCII Header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the addresses of a camera mean."""

    camera: Literal["DVS128", "DAVIS"]
    size: tuple[int, int] | None  # (H, W); None: found from the events
    flip_x: bool = False
    flip_y: bool = False

    def upright(self) -> "Profile":
        """Turn the axes that jAER stores from the right and from below."""
        if self.size is None:
            raise ShapeError("Profile.upright", expected="a sensor of known size", got="none")
        return replace(self, flip_x=True, flip_y=True)


DVS128 = Profile(camera="DVS128", size=(128, 128), flip_x=True)
DAVIS240 = Profile(camera="DAVIS", size=(180, 240))
DAVIS346 = Profile(camera="DAVIS", size=(260, 346))
_CHIPS = {"DVS128": DVS128, "DAVIS240": DAVIS240, "DAVIS346": DAVIS346}


class _Layout(NamedTuple):
    profile: Profile
    start: int
    notes: tuple[Note, ...]


def sniff(head: bytes, size: int) -> bool:
    """Recognise the first line."""
    return head.startswith(MAGIC)


def open_(path: Path, profile: Profile | None = None) -> ByteReader:
    """Read the header; the camera is found out unless a profile is given.

    Raises: EventFormatError if the first line is not that of AEDAT 2.0.
    """
    found = preamble.read(path, "#", last=_LAST)
    if not found.lines or found.lines[0] != "!AER-DAT2.0":
        got = repr(found.lines[0][:40]) if found.lines else "no header"
        raise EventFormatError(f"{path}: byte 0", expected="#!AER-DAT2.0", got=got, path=str(path), offset=0)
    chip = next((line.split(":", 1)[1].strip() for line in found.lines if line.startswith("AEChip:")), "")
    chosen = profile or next((p for name, p in _CHIPS.items() if name in chip), None) or _guess(path, found.end)
    layout = _Layout(chosen, found.end, read_notes(found.lines, BITS))
    facts: dict[str, Any] = {"chip": chip, "profile": chosen, "header_bytes": found.end}
    start = Mark(found.end, Counter())
    return ByteReader(
        path=path,
        decode=partial(decode, layout=layout),
        compiled=native.given(partial(decode_compiled, layout=layout)),
        as_array=True,
        start=start,
        size=chosen.size,
        metadata=facts,
    )


def with_profile(profile: Profile) -> Format:
    """Make the format for a camera that the header does not tell of."""
    return replace(FORMAT, open=partial(open_, profile=profile))


def _guess(path: Path, start: int) -> Profile:
    """Tell the cameras apart by the addresses: those of the DVS128 have 15 bits."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(1 << 16)
    address = np.frombuffer(data, ">u4", len(data) // RECORD * 2)[::2]
    small = address.size and int(np.quantile(address, 0.9, method="lower")) < 1 << 15
    return DVS128 if small else Profile(camera="DAVIS", size=None)


def decode(data: bytes, at: int, end: int, state: Counter, *, layout: _Layout) -> Decoded:
    """Decode whole records."""
    count, rest = divmod(len(data), RECORD)
    if not count and at + len(data) < end:
        return Decoded(Chunk(no_columns()), 0, state, RECORD)
    words = np.frombuffer(data, ">u4", count * 2).reshape(-1, 2)
    address = words[:, 0].astype(np.uint32)
    t, after = unroll(words[:, 1].astype(np.int64), BITS, state)
    if layout.notes:
        t = applied(t, (at - layout.start) // RECORD, layout.notes, BITS)
    columns, others = _pixels(address, t, range(at, at + count * RECORD, RECORD), layout.profile)
    chunk = Chunk(columns, others=others)
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, count * RECORD, after)


def decode_compiled(
    data: bytes, at: int, end: int, state: Counter, room: native.Room | None = None, *, layout: _Layout
) -> Decoded:
    """Do what ``decode`` does, in C++."""
    count, rest = divmod(len(data), RECORD)
    if not count or layout.notes:
        return decode(data, at, end, state, layout=layout)
    profile = layout.profile
    height, width = profile.size or (0, 0)
    x_from, y_from = width - 1 if profile.flip_x else -1, height - 1 if profile.flip_y else -1
    room, start = native.room(room, count)
    found = room.decode("aedat2", data, at, state, (int(profile.camera == "DAVIS"), x_from, y_from))
    counts = {"special words": found.others}
    if profile.camera == "DAVIS":
        counts = {"frame and IMU words": found.frames, "triggers": found.others - found.frames}
    chunk = Chunk(room.columns(start), others={name: num for name, num in counts.items() if num})
    after = Counter(*found.state[:2])
    if at + len(data) == end and rest:
        return Decoded(leftover(chunk, end - rest, rest, RECORD), len(data), after)
    return Decoded(chunk, found.used, after)


def _pixels(address: Any, t: Any, at: range, profile: Profile) -> tuple[Columns, dict[str, int]]:
    others: dict[str, int] = {}
    places: Any = at
    if profile.camera == "DVS128":
        kept = np.flatnonzero(address < 1 << 15)
        if kept.size < address.size:
            others = {"special words": address.size - kept.size}  # bit 15: jAER's synchronisation marks
            address, t, places = address[kept], t[kept], at.start + RECORD * kept
        x, y = ((address >> 1) & 127).astype(np.int16), ((address >> 8) & 127).astype(np.int16)
        polarity = (~address & 1).astype(np.uint8)
    else:
        kept = np.flatnonzero(address & 0x80000400 == 0)
        if kept.size < address.size:
            frames = int((address >> 31).sum())
            found = {"frame and IMU words": frames, "triggers": address.size - kept.size - frames}
            others = {name: count for name, count in found.items() if count}
            address, t, places = address[kept], t[kept], at.start + RECORD * kept
        x, y = ((address >> 12) & 0x3FF).astype(np.int16), ((address >> 22) & 0x1FF).astype(np.int16)
        polarity = ((address >> 11) & 1).astype(np.uint8)
    if profile.size is not None:
        x = profile.size[1] - 1 - x if profile.flip_x else x
        y = profile.size[0] - 1 - y if profile.flip_y else y
    return Columns(t, x, y, polarity, places), others


def to_bytes(events: Events, *, profile: Profile | None = None) -> bytes:
    """Write events in the address layout of a profile; without one as DVS128 if the sensor is 128 x 128, else DAVIS.

    Raises: ShapeError for a sensor that the layout cannot hold, or too many gaps longer than 2^31 us.
    """
    named = {p.size: p for p in _CHIPS.values()}
    chosen = profile or named.get(events.size) or Profile(camera="DAVIS", size=None)
    height, width = events.size
    room = (128, 128) if chosen.camera == "DVS128" else (512, 1024)
    if height > room[0] or width > room[1]:
        expected = f"a sensor of at most {room[0]} x {room[1]} for {chosen.camera}"
        raise ShapeError("aedat2", expected=expected, got=f"{height} x {width}")
    x, y, polarity = events.x.astype(np.uint32), events.y.astype(np.uint32), events.polarity.astype(np.uint32)
    if chosen.size is not None:
        x = chosen.size[1] - 1 - x if chosen.flip_x else x
        y = chosen.size[0] - 1 - y if chosen.flip_y else y
    words = np.empty((len(events), 2), ">u4")
    words[:, 0] = y << 8 | x << 1 | (1 - polarity) if chosen.camera == "DVS128" else y << 22 | x << 12 | polarity << 11
    words[:, 1] = events.t & 0xFFFFFFFF
    chip = next((f"# AEChip: {name}\r\n" for name, p in _CHIPS.items() if p.size == chosen.size), "")
    notes = "".join(f"#{KEY} {record} {count}\r\n" for record, count in notes_for(events.t, BITS, "aedat2"))
    return MAGIC + b"\r\n" + (chip + notes + f"#{_LAST}\r\n").encode() + words.tobytes()


def write(path: Path, events: Events) -> None:
    """Write events to a file; see ``to_bytes``."""
    Path(path).write_bytes(to_bytes(events))


FORMAT = Format(name="aedat2", title="AEDAT 2.0", sniff=sniff, open=open_, write=write)
