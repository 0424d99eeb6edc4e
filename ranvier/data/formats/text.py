"""Events as lines of text, also gzipped: four columns or more, parted by spaces, commas, semicolons or tabs.

A line of names ("t,x,y,p") may say which column is which and in what unit ("t[s]", "timestamp_us"); without one the
columns are told apart by what they hold. Times with fractions are seconds, whole ones us; a column that has a fraction
in the first 64 KiB is one of seconds throughout. Lines that begin with "#" or "%" are comments; "# size HEIGHT WIDTH",
which we write, or a first line of two numbers, width and height, gives the sensor. Decimal times are rounded to us
exactly, without passing through floating point, up to 18 digits.
Repair: a line that is no event is skipped.
"""

import gzip
import re
import zlib
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import EventFormatError
from ranvier.data.events import Events
from ranvier.data.formats import gz
from ranvier.data.formats.decimals import numbers
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.interface import ByteReader, Chunk, Columns, Decoded, Format, Mark, no_columns
from ranvier.data.formats.tables import ROLES, order_of, role

_HEAD = 1 << 16
_MAX_LINE = 1 << 12
_MAX_COLUMNS = 64
_SEPARATORS = re.compile(r"[ \t,;]+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SEP, _NEWLINE, _CHAR = 0, 1, 2
_CLASS = np.full(256, _CHAR, np.uint8)
_CLASS[list(b" \t,;\r")] = _SEP
_CLASS[10] = _NEWLINE


class Layout(NamedTuple):
    """What the columns are."""

    columns: tuple[int, ...]  # t, x, y, p
    num_columns: int
    unit: float  # us


class _Found(NamedTuple):
    layout: Layout
    start: int
    size: tuple[int, int] | None
    comments: tuple[str, ...]


def sniff(head: bytes, size: int) -> bool:
    """Recognise lines of four or more numbers, gzipped or not."""
    if head.startswith(gz.MAGIC):
        head = _unpacked(head)
    return _look(head, complete=size <= len(head)) is not None


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def open_(path: Path) -> ByteReader:
    """Look at the first lines; a gzipped file is unpacked once to find its end.

    Raises: EventFormatError if there is no line of events among them.
    """
    packed = False
    with path.open("rb") as file:
        packed = file.read(2) == gz.MAGIC
    faults: tuple[Fault, ...] = ()
    source: Any = {}
    if packed:
        end, trouble = gz.measure(path)
        if trouble:
            faults = (Fault("broken gzip", end, "a whole gzip stream", trouble),)
        source = {"source": partial(gz.GzipStream, end=end)}
        with gz.GzipStream(path, end) as stream:
            head = stream.read(_HEAD)
    else:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            end = file.seek(0, 2)
    found = _look(head, complete=len(head) == end)
    if found is None:
        expected, got = "lines of four or more numbers", repr(head[:40])
        raise EventFormatError(f"{path}: byte 0", expected=expected, got=got, path=str(path), offset=0)
    names = [name for _, name in sorted(zip(found.layout.columns, ROLES, strict=True))]
    facts = {"columns": names, "unit_us": found.layout.unit, "comments": found.comments, "gzip": packed}
    read = partial(decode, layout=found.layout)
    start = Mark(found.start, None)
    return ByteReader(path=path, decode=read, start=start, size=found.size, metadata=facts, faults=faults, **source)


def _look(head: bytes, *, complete: bool) -> _Found | None:
    """Find out the layout; None if this is no text of events."""
    lines = head.split(b"\n")
    lines = lines if complete else lines[:-1]
    at, comments, size, named = 0, [], None, None
    rows: list[list[str]] = []
    start = -1
    for raw in lines[:2000]:
        if len(raw) > _MAX_LINE or b"\0" in raw:
            break
        line = raw.decode("utf-8", "replace").strip()
        words = [word for word in _SEPARATORS.split(line) if word]
        number = bool(words) and all(_NUMBER.fullmatch(word) for word in words)
        if line[:1] in ("#", "%"):
            comments.append(line[1:].strip())
        elif number and 4 <= len(words) <= _MAX_COLUMNS and (not rows or len(words) == len(rows[0])):
            start = at if start < 0 else start
            rows.append(words)
        elif not rows and number and len(words) == 2 and size is None and all(word.isdecimal() for word in words):
            size = (int(words[1]), int(words[0]))
        elif not rows and named is None and len(words) >= 4:
            named = words
        elif line and not rows:
            return None
        at += len(raw) + 1
    for comment in comments:
        if (match := re.fullmatch(r"size (\d{1,5}) (\d{1,5})", comment)) is not None:
            size = (int(match[1]), int(match[2]))
    size = size if size is not None and 0 < min(size) <= max(size) <= 1 << 15 else None
    layout = _layout(rows, named)
    if layout is None:
        return None
    return _Found(layout, start if rows else len(head), size, tuple(comments[:100]))


def _layout(rows: list[list[str]], named: list[str] | None) -> Layout | None:
    known: dict[str, tuple[int, float | None]] = {}
    for index, name in enumerate(named or ()):
        if (told := role(name)) is not None:
            known.setdefault(told[0], (index, told[1]))
    complete = len(known) == len(ROLES)
    if named is not None and not complete:
        return None
    if not rows:
        return Layout(tuple(known[name][0] for name in ROLES), len(named), 1.0) if complete and named else None
    if complete:
        columns: tuple[int, ...] = tuple(known[name][0] for name in ROLES)
        if max(columns) >= len(rows[0]):
            return None
    else:
        columns = order_of(np.array([row[:4] for row in rows], np.float64))
    unit = known["t"][1] if complete else None
    if unit is None:
        unit = 1e6 if any(set(row[columns[0]]) & set(".eE") for row in rows) else 1.0
    return Layout(columns, len(rows[0]), unit)


def decode(data: bytes, at: int, end: int, state: None, *, layout: Layout) -> Decoded:
    """Decode whole lines; the last line of a file needs no end of line."""
    final = at + len(data) == end
    used = len(data) if final else data.rfind(b"\n") + 1
    if not used:
        if len(data) > 1 << 20:  # no line of events: skipped in pieces, its end will be too
            fault = Fault("unreadable line", at, "a line of numbers", "a line of more than 1 MiB", num_bytes=len(data))
            return Decoded(Chunk(no_columns(), (fault,)), len(data), state)
        return Decoded(Chunk(no_columns()), 0, state)
    raw = np.frombuffer(data, np.uint8, used)
    kind = _CLASS[raw]
    char = kind == _CHAR
    edges = np.diff(char.astype(np.int8), prepend=0, append=0)
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    line_ends = np.flatnonzero(kind == _NEWLINE)
    if not line_ends.size or line_ends[-1] != used - 1:
        line_ends = np.append(line_ends, used)
    line_starts = np.concatenate(([0], line_ends[:-1] + 1))
    borders = np.searchsorted(first, line_ends)
    words = np.diff(borders, prepend=0)
    begin = borders - words
    good = words == layout.num_columns
    other = (words > 0) & ~good
    comment = np.zeros(good.size, bool)
    comment[words > 0] = np.isin(raw[first[begin[words > 0]]], (ord("#"), ord("%")))
    good, other = good & ~comment, other & ~comment
    ok = np.ones(int(good.sum()), bool)
    columns = []
    for name, column in zip(ROLES, layout.columns, strict=True):
        token = begin[good] + column
        values, fine = numbers(raw, first[token], last[token], layout.unit if name == "t" else 1.0, whole=name != "t")
        columns.append(values)
        ok &= fine
    places = line_starts[good]
    faults: tuple[Fault, ...] = ()
    if other.any() or not ok.all():
        bad = np.sort(np.concatenate((np.flatnonzero(other), np.flatnonzero(good)[~ok])))
        lengths = np.minimum(line_ends[bad] + 1, used) - line_starts[bad]
        line = data[line_starts[bad[0]] : line_ends[bad[0]]][:60]
        expected = f"{layout.num_columns} numbers, of which x, y and p are whole"
        where = at + int(line_starts[bad[0]])
        faults = (Fault("unreadable line", where, expected, repr(line), int(bad.size), int(lengths.sum())),)
    t, wide_x, wide_y, p = (values[ok] for values in columns)
    x, y = (np.clip(c, -(1 << 20), 1 << 20).astype(np.int32) for c in (wide_x, wide_y))
    polarity = np.clip(p, -100, 100).astype(np.int8)
    return Decoded(Chunk(Columns(t, x, y, polarity, at + places[ok]), faults), used, state)


def to_bytes(events: Events) -> bytes:
    """Write "t,x,y,p" lines, times in us, after a comment that tells the sensor's size."""
    height, width = events.size
    head = f"# events, t in us\n# size {height} {width}\nt,x,y,p\n".encode()
    return head + _lines([events.t, events.x, events.y, events.polarity])


def _lines(columns: list[NDArray[Any]]) -> bytes:
    """Print whole numbers, a line a row."""
    if not columns[0].size:
        return b""
    texts = [np.char.mod("%d", column) for column in columns]
    line = texts[0]
    for text in texts[1:]:
        line = np.char.add(np.char.add(line, ","), text)
    return ("\n".join(line.tolist()) + "\n").encode()


def write(path: Path, events: Events) -> None:
    """Write events to a file; gzipped if its name ends in ".gz"."""
    path, data = Path(path), to_bytes(events)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


FORMAT = Format(name="text", title="Text: CSV and the like", sniff=sniff, open=open_, write=write)
