"""What a format of event recordings is: the four things that each format's file defines, and how bytes are walked.

A format sniffs (recognises the first bytes), opens (reads the header and gives a ``Reader``) and writes. The reader of
a byte format is a ``ByteReader`` around one pure function,

    decode(data, at, end, state) -> Decoded

which turns the bytes from ``at`` of a file of ``end`` bytes into raw columns. It holds nothing: whatever outlives a
chunk is in ``state``, a named tuple of plain numbers, so that a walk can be resumed from any ``Mark``, chunked equals
whole, and a compiled decoder of the same signature can stand in for the numpy one, which stays its oracle.
A decoder neither raises nor judges: it reports faults, and ``formats/judge.py`` checks pixels and time for all.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.data.events import Events
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.stretch import Stretch
from ranvier.kernels.cpu.buffers import fresh

Ints = NDArray[Any]
_LARGE, _PAGE = 1 << 16, 1 << 12
STRETCHES = hasattr(os, "pread")


class Places:
    """Where events lie in a file, found when somebody asks: only faults do."""

    def __init__(self, num: int, find: Callable[[], NDArray[np.int64]]) -> None:
        self._num, self._find = num, find

    def __len__(self) -> int:
        return self._num

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return Places(len(range(self._num)[which]), lambda: self._find()[which])
        return self._find()[which]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.int64]:
        return np.asarray(self._find(), dtype)


Positions = range | NDArray[np.int64] | Places


class Bounds(NamedTuple):
    """What is known of columns, so that judging them need not look at each event."""

    t_low: int
    t_high: int
    t_first: int
    t_last: int
    x_low: int
    x_high: int
    y_low: int
    y_high: int
    p_high: int
    rising: bool  # no time is less than the one before


class Columns(NamedTuple):
    """Events as decoded and not yet judged, with the place of each in the file."""

    t: NDArray[np.int64]  # us, unrolled
    x: Ints
    y: Ints
    polarity: Ints  # 0, 1, or -1 for OFF
    at: Positions  # byte, row or line
    bounds: Bounds | None = None


class Chunk(NamedTuple):
    """What a stretch of a file holds."""

    columns: Columns
    faults: tuple[Fault, ...] = ()
    others: Mapping[str, int] = {}  # name -> count of what is no pixel event


class Mark(NamedTuple):
    """A place from which reading can go on: where, and the decoder's state there."""

    position: int
    state: Any


class Decoded(NamedTuple):
    """A chunk, how many bytes it took (they may reach beyond those given), and the state after them.

    ``used == 0`` asks for more bytes: ``need`` or, if that is 0, some more. At the end of the file a decoder takes all.
    """

    chunk: Chunk
    used: int
    state: Any
    need: int = 0


Decode = Callable[[bytes, int, int, Any], Decoded]
Compiled = Callable[..., Decoded]  # the same, and as a fifth argument the ``native.Room`` to fill, or None


class Reader(Protocol):
    """An open recording: what its header says, and a walk over its chunks."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the sensor; None if the file does not tell."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the header says."""

    @property
    def start(self) -> Mark:
        """The place of the first event."""

    @property
    def unit(self) -> str:
        """What positions count: "byte" or "row"."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was found wrong before the first event."""

    def chunks(self, mark: Mark, budget: int) -> Iterator[tuple[Chunk, Mark]]:
        """Walk on from a mark in steps of about ``budget`` bytes; each chunk comes with the mark after it."""


class Seekable(Protocol):
    """What a file must be able to do."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte; give its number."""

    def read(self, num: int, /) -> bytes:
        """Read up to ``num`` bytes."""


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteReader:
    """The reader of every format that is a stream of bytes: holds no file open between walks.

    ``compiled`` does what ``decode`` does, where there is one. ``as_array``: both take arrays of uint8 too.
    ``as_stretch``: the compiled one reads the file by itself where it is a plain one. ``steps``: how many times as many
    bytes a chunk takes where the events of all lie side by side, and need no memory of their own.
    """

    path: Path
    decode: Decode
    start: Mark
    size: tuple[int, int] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "byte"
    faults: tuple[Fault, ...] = ()
    source: Callable[[Path], AbstractContextManager[Seekable]] = _plain
    compiled: Compiled | None = None
    as_array: bool = False
    as_stretch: bool = False
    steps: int = 4

    def _read(self, file: Seekable, position: int, num: int) -> Any:
        """Read bytes, for large chunks into memory that is used again: fresh memory costs more than reading.

        From a border of pages on: processors copy several times slower to memory that lies a few bytes off its source.
        """
        reused = self.as_array and self.compiled is not None and num >= _LARGE and hasattr(os, "preadv")
        if not reused or not isinstance(file, io.BufferedReader):
            file.seek(position)
            return file.read(num)
        before = position % _PAGE
        block = fresh((num + _PAGE,), torch.uint8).numpy()
        got = os.preadv(file.fileno(), [block[: before + num].data], position - before)
        return block[before : max(got, before)]

    def _given(self, file: Seekable, position: int, num: int, *, by_itself: bool) -> Any:
        """Give what a decoder is called with."""
        wanted = by_itself and self.compiled is not None and num >= _LARGE and STRETCHES
        if wanted and isinstance(file, io.BufferedReader):
            return Stretch(self.path, file.fileno(), position, num)
        return self._read(file, position, num)

    def chunks(self, mark: Mark, budget: int, room: Any = None) -> Iterator[tuple[Chunk, Mark]]:
        """Walk on from a mark; a chunk takes more than ``budget`` bytes only where one record does.

        Args: room: where a compiled decoder puts the events of all chunks, side by side; None: each chunk by itself.
        """
        position, state = mark
        want, by_itself = budget, self.as_stretch
        with self.source(self.path) as file:
            end = file.seek(0, 2)
            while position < end:
                num = min(want, end - position)
                data = self._given(file, position, num, by_itself=by_itself)
                if not len(data):
                    return  # the file shrank meanwhile
                if self.compiled is None:
                    found = self.decode(data, position, end, state)
                else:
                    found = self.compiled(data, position, end, state, room)
                if not found.used and by_itself and not found.need:
                    by_itself = False  # a cut record, or a file that shrank
                    continue
                if not found.used and len(data) < num:
                    return  # it shrank, within a record
                if not found.used:
                    assert len(data) < end - position, "a decoder takes all at the end of the file"
                    want = max(found.need, 2 * want)
                    continue
                want, state, position = budget, found.state, position + found.used
                yield found.chunk, Mark(position, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of event recordings.

    ``sniff`` is given the first 64 KiB and the size of a file and says whether it is of this format; formats without a
    magic number say so by what they find, and are asked last. ``write`` raises ShapeError for events that the format
    cannot hold.
    """

    name: str
    title: str
    sniff: Callable[[bytes, int], bool]
    open: Callable[[Path], Reader]
    write: Callable[[Path, Events], None]


def no_columns() -> Columns:
    """Give columns without events."""
    none = np.zeros(0, np.int64)
    return Columns(none, none, none, np.zeros(0, np.uint8), range(0))


def leftover(chunk: Chunk, at: int, count: int, record: int) -> Chunk:
    """Add the fault of a partial record at the end of a file."""
    got = f"{count} bytes at the end"
    fault = Fault("partial record", at, f"records of {record} bytes", got, num_bytes=count)
    return chunk._replace(faults=(*chunk.faults, fault))


class Gathered:
    """What one call of a decoder that reads packet by packet has found so far."""

    def __init__(self) -> None:
        self.columns: list[Columns] = []
        self.faults: dict[str, Fault] = {}
        self.others: dict[str, int] = {}
        self.num = 0

    def count(self, name: str, num: int) -> None:
        """Count what is no pixel event."""
        if num:
            self.others[name] = self.others.get(name, 0) + num

    def fault(self, fault: Fault) -> None:
        """Note a fault; the first of its kind is described, the others are summed."""
        if not self.again(fault.kind, fault.num_bytes):
            self.faults[fault.kind] = fault

    def again(self, kind: str, num_bytes: int) -> bool:
        """Note one more fault of a kind if there was one; hostile files have very many, so no words are made."""
        if (first := self.faults.get(kind)) is None:
            return False
        self.faults[kind] = first._replace(num=first.num + 1, num_bytes=first.num_bytes + num_bytes)
        return True

    def chunk(self) -> Chunk:
        """Join it."""
        if not self.columns:
            return Chunk(no_columns(), tuple(self.faults.values()), self.others)
        if len(self.columns) == 1:
            return Chunk(self.columns[0], tuple(self.faults.values()), self.others)
        t, x, y, polarity, at = (np.concatenate([np.asarray(c[i]) for c in self.columns]) for i in range(5))
        return Chunk(Columns(t, x, y, polarity, at), tuple(self.faults.values()), self.others)


_FIRST_ROW = Mark(0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReader:
    """The reader of formats that hold events as rows of arrays: ``load(first, last)`` gives the chunk of these rows."""

    num_rows: int
    load: Callable[[int, int], Chunk]
    start: Mark = _FIRST_ROW
    size: tuple[int, int] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "row"
    faults: tuple[Fault, ...] = ()

    def chunks(self, mark: Mark, budget: int) -> Iterator[tuple[Chunk, Mark]]:
        """Walk on from a mark; a row counts as 16 bytes of the budget."""
        step = max(budget // 16, 1)
        for first in range(mark.position, self.num_rows, step):
            last = min(first + step, self.num_rows)
            yield self.load(first, last), Mark(last, None)
