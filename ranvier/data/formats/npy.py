"""NumPy ``.npy`` of events: a structured array with fields for t, x, y and p, or rows of four numbers.

Fields may be named as usual (t, ts, timestamp, pol ...) and stand in any order; columns without names are told apart by
what they hold. Whole times are us, fractions seconds. Read from disk in pieces; objects are refused (no pickle).
Source: NumPy Enhancement Proposal 1.
"""

import math
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranvier.core.errors import EventFormatError, FormatError
from ranvier.data.events import Events
from ranvier.data.formats import npz
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.interface import ByteReader, Chunk, Decoded, Format, Mark, no_columns
from ranvier.data.formats.tables import ROLES, Array, chunk_of, order_of, role, unit_of

MAGIC = b"\x93NUMPY"
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")])
_HEAD = 8192
_SAMPLE = 4096  # rows


class Layout(NamedTuple):
    """How rows lie in a file."""

    dtype: np.dtype[Any]  # of a row
    columns: tuple[Any, ...]  # t, x, y, p: names or numbers
    unit: float  # us
    start: int
    stop: int


def sniff(head: bytes, size: int) -> bool:
    """Recognise the magic number."""
    return head.startswith(MAGIC)


def open_(path: Path) -> ByteReader:
    """Read the header and look at the first rows.

    Raises: EventFormatError if the array is not one of events.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        end = file.seek(0, 2)
        layout = layout_of(str(path), head)
        file.seek(layout.start)
        sample = file.read(_SAMPLE * layout.dtype.itemsize)
    layout = looked_at(layout, sample, str(path))
    faults: tuple[Fault, ...] = ()
    if layout.stop != end:
        rows = (layout.stop - layout.start) // layout.dtype.itemsize
        there = (end - layout.start) // layout.dtype.itemsize
        skipped = max(end - layout.stop, 0) if end > layout.stop else (end - layout.start) % layout.dtype.itemsize
        where = min(layout.stop, end)
        faults = (Fault("wrong shape", where, f"{rows} rows as declared", f"room for {there}", num_bytes=skipped),)
    facts = {"dtype": str(layout.dtype)}
    read = partial(decode, layout=layout)
    return ByteReader(path=path, decode=read, start=Mark(layout.start, None), metadata=facts, faults=faults)


def layout_of(where: str, head: bytes) -> Layout:
    """Read the header of a ``.npy`` file; columns and unit are not known yet.

    Raises: EventFormatError if the array is not one of events.
    """
    try:
        descr, fortran, shape, start = npz.header(where, bytearray(head))
    except FormatError as error:
        raise EventFormatError(error.where, expected=error.expected, got=error.got, path=where, offset=0) from error

    def refuse(expected: str, got: str) -> EventFormatError:
        return EventFormatError(f"{where}: byte 10", expected=expected, got=got, path=where, offset=10)

    if isinstance(descr, str) and npz.PLAIN.fullmatch(descr) and len(shape) == 2 and shape[1] >= 4 and not fortran:
        cell = np.dtype(descr)
        if cell.kind not in "iufb" or shape[1] > 64:
            raise refuse("rows of 4 to 64 numbers", f"{descr} {shape}")
        dtype = np.dtype((cell, (shape[1],)))
        return Layout(dtype, (0, 1, 2, 3), 1.0, start, start + math.prod(shape) * cell.itemsize)
    fields = descr if isinstance(descr, list) and len(descr) <= 64 else []
    plain = [f for f in fields if isinstance(f, tuple) and len(f) == 2 and all(isinstance(word, str) for word in f)]
    if len(shape) != 1 or not plain or len(plain) < len(fields) or not all(npz.PLAIN.fullmatch(f[1]) for f in plain):
        got = f"{str(descr)[:80]} of shape {shape}"
        raise refuse("a structured array (N,) of plain numbers, or rows (N, 4)", got)
    try:
        dtype = np.dtype(plain)
    except (TypeError, ValueError) as error:
        raise refuse("a known type", str(descr)[:80]) from error
    names = {known[0]: name for name in dtype.names or () if (known := role(name)) is not None}
    if len(names) < len(ROLES) or dtype.itemsize > 4096 or any(dtype[n].kind not in "iufb" for n in names.values()):
        raise refuse("fields of numbers for t, x, y and p", str(descr)[:80])
    columns = tuple(names[name] for name in ROLES)
    return Layout(dtype, columns, 1.0, start, start + shape[0] * dtype.itemsize)


def looked_at(layout: Layout, sample: bytes, where: str) -> Layout:
    """Find out from the first rows what the header does not tell."""
    count = min(len(sample), max(layout.stop - layout.start, 0)) // layout.dtype.itemsize
    rows: Array = np.frombuffer(sample, layout.dtype, count)
    if layout.dtype.names is None:
        if count:
            layout = layout._replace(columns=order_of(np.nan_to_num(rows.astype(np.float64))))
        return layout._replace(unit=unit_of(rows[:, layout.columns[0]]))
    named = role(str(layout.columns[0]))
    stated = named[1] if named is not None else None
    return layout._replace(unit=unit_of(rows[str(layout.columns[0])]) if stated is None else stated)


def decode(data: bytes, at: int, end: int, state: None, *, layout: Layout) -> Decoded:
    """Decode whole rows."""
    item = layout.dtype.itemsize
    count = min(len(data), max(layout.stop - at, 0)) // item
    final = at + len(data) == end
    if not count and not final:
        return Decoded(Chunk(no_columns()), 0 if at < layout.stop else len(data), state, item)
    columns = columns_of(np.frombuffer(data, layout.dtype, count), layout)
    chunk = chunk_of(columns, layout.unit, range(at, at + count * item, item))
    return Decoded(chunk, len(data) if final else count * item, state)


def columns_of(rows: Array, layout: Layout) -> list[Array]:
    """Take the four columns out of rows."""
    if layout.dtype.names is None:
        return [rows[:, column] for column in layout.columns]
    return [rows[column] for column in layout.columns]


def write(path: Path, events: Events) -> None:
    """Write a structured array with fields t (us), x, y, p."""
    rows = np.empty(len(events), EVENT)
    rows["t"], rows["x"], rows["y"], rows["p"] = events.t, events.x, events.y, events.polarity
    with Path(path).open("wb") as file:
        np.save(file, rows, allow_pickle=False)


FORMAT = Format(name="npy", title="NumPy .npy", sniff=sniff, open=open_, write=write)
