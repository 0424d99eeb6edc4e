"""NumPy ``.npz`` of events: arrays t, x, y, p, or one structured array.

Arrays may be named as usual (t, ts, timestamp, pol ...); with a prefix ("left_t" ...) a file holds several recordings,
and with ``offsets`` (N + 1) N recordings one after the other; so it is with packed recordings (``formats/packed.py``).
A file of several opens at the first; ``recording`` chooses another, and the metadata name them all. A member ``size``
gives height and width. Unpacked in memory, to 16 MiB + 100 times the file at most; objects are refused (no pickle).
Source: NumPy Enhancement Proposal 1; ``formats/archive.py`` for the zip.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.core.errors import EventFormatError, FormatError
from ranvier.data.events import Events
from ranvier.data.formats import archive, npy, npz, packed
from ranvier.data.formats.interface import Chunk, Format, RowReader
from ranvier.data.formats.tables import ROLES, Array, chunk_of, groups, role, unit_of


def sniff(head: bytes, size: int) -> bool:
    """Recognise a zip archive whose first member is an array."""
    return head.startswith(b"PK\3\4") and b".npy" in head[30:300]


def recording(which: int | str) -> Format:
    """Make the format for one of several recordings: its number, or its prefix."""
    return replace(FORMAT, open=partial(open_, which=which))


def open_(path: Path, which: int | str = 0) -> RowReader:
    """Read the arrays of a recording.

    Raises: EventFormatError if the file is broken or holds no such recording.
    """

    def refuse(expected: str, got: str) -> EventFormatError:
        return EventFormatError(str(path), expected=expected, got=got, path=str(path))

    try:
        names = npz.names(path)
        read = partial(npz.read, path)
        if packed.are_packed(names):
            unpacked = packed.read(path)
            names, read = list(unpacked), partial(_chosen, unpacked)
        found = groups(names)
        if not found:
            return _structured(path, names)
        prefixes = list(found)
        offsets = read(["offsets"])["offsets"] if "offsets" in names else None
        prefix = which if isinstance(which, str) else prefixes[0] if offsets is not None else _nth(prefixes, which)
        if prefix not in found:
            raise refuse(f"a recording of {prefixes}", repr(which))
        chosen = [found[prefix][name] for name in ROLES]
        arrays = read([*chosen, *(["size"] if "size" in names else [])])
    except FormatError as error:
        if isinstance(error, EventFormatError):
            raise
        told = EventFormatError(error.where, expected=error.expected, got=error.got, mend=error.mend, path=str(path))
        raise told from error
    columns: list[Array] = [arrays[name] for name in chosen]
    if any(c.ndim != 1 or c.dtype.kind not in "iufb" or c.shape != columns[0].shape for c in columns):
        got = ", ".join(f"{name} {c.dtype} {c.shape}" for name, c in zip(chosen, columns, strict=True))
        raise refuse("columns of numbers of one length", got)
    facts: dict[str, Any] = {"recordings": prefixes if len(prefixes) > 1 else 1}
    if offsets is not None:
        number = which if isinstance(which, int) else 0
        whole = offsets.ndim == 1 and offsets.dtype.kind in "iu" and 0 <= number < offsets.size - 1
        first, last = (int(offsets[number]), int(offsets[number + 1])) if whole else (0, -1)
        if not 0 <= first <= last <= columns[0].size:
            raise refuse(f"offsets that hold recording {number}", f"{first} to {last} of {columns[0].size}")
        facts = {"recordings": int(offsets.size) - 1}
        columns = [column[first:last] for column in columns]
    named = role(chosen[0].rpartition("_")[2])
    unit = named[1] if named is not None and named[1] else unit_of(columns[0])
    return _reader(columns, unit, facts, _size(arrays.get("size")))


def _chosen(arrays: dict[str, Array], names: list[str]) -> dict[str, Array]:
    return {name: arrays[name] for name in names}


def _nth(prefixes: list[str], which: int) -> str:
    return prefixes[which] if 0 <= which < len(prefixes) else f"number {which}"


def _size(stated: Array | None) -> tuple[int, int] | None:
    if stated is None or stated.shape != (2,) or stated.dtype.kind not in "iu":
        return None
    height, width = int(stated[0]), int(stated[1])
    return (height, width) if 0 < height <= 1 << 15 and 0 < width <= 1 << 15 else None


def _structured(path: Path, names: list[str]) -> RowReader:
    """Read the first array, which must be a structured one or rows of four."""
    if not names:
        raise EventFormatError(str(path), expected="arrays of events", got="an empty archive", path=str(path))
    name = "events.npy" if "events" in names else f"{names[0]}.npy"
    where = f"{path}: member {name!r}"
    data = bytes(archive.read(path, archive.directory(path)[name]))
    layout = npy.layout_of(where, data)
    if layout.stop != len(data):
        got = f"{len(data) - layout.start} bytes for {layout.stop - layout.start} declared"
        raise EventFormatError(where, expected="an array of the bytes that are there", got=got, path=str(path))
    layout = npy.looked_at(layout, data[layout.start :], where)
    rows = np.frombuffer(data, layout.dtype, offset=layout.start)
    return _reader(npy.columns_of(rows, layout), layout.unit, {"recordings": 1}, None)


def _reader(columns: list[Array], unit: float, facts: dict[str, Any], size: tuple[int, int] | None) -> RowReader:
    def load(first: int, last: int) -> Chunk:
        return chunk_of([column[first:last] for column in columns], unit, range(first, last))

    return RowReader(num_rows=columns[0].size, load=load, size=size, metadata=facts)


def write(path: Path, events: Events) -> None:
    """Write arrays t (us), x, y, p and size (height, width), deflated."""
    size = np.array(events.size, np.int32)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, t=events.t, x=events.x, y=events.y, p=events.polarity, size=size)


FORMAT = Format(name="npz", title="NumPy .npz", sniff=sniff, open=open_, write=write)
