"""``open_events``: one call that opens any recording, and the ``Recording`` that it gives."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ranvier.core.errors import ConfigError, DataError, EventFormatError
from ranvier.data.events import Events
from ranvier.data.formats.faults import Fault, Mode, Report
from ranvier.data.formats.interface import ByteReader, Columns, Format, Mark, Reader
from ranvier.data.formats.judge import MAX_SIDE, Clock, empty, judge
from ranvier.data.formats.native import Room
from ranvier.data.formats.registry import FORMATS, OTHERS, by_name
from ranvier.data.formats.streams import Frame, Imu, Triggers, join_imu, join_triggers
from ranvier.data.joined import Joined

_HEAD = 1 << 16
_CHUNK = 1 << 20
_BLOCK = 1 << 18
_ROOM = 64 << 20
_K = TypeVar("_K", Imu, Triggers)


class _Place(NamedTuple):
    """Where a walk over a recording stands, so that another can go on from there."""

    mark: Mark
    clock: Clock = Clock()
    number: int = 0  # events given so far


class _Index(NamedTuple):
    """What one pass over a recording found."""

    places: Sequence[_Place]  # before each chunk
    lasts: Sequence[int]  # the latest time given before each
    report: Report
    t_first: int
    t_last: int
    size: tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording:
    """An event recording on disk.

    Nothing is kept in memory but an index, made by one pass when first needed (by ``num_events``, ``t_first``,
    ``t_last``, ``duration``, ``report``, ``between``, ``take``, and by ``size`` if the file does not tell it): a place
    for each MiB of the file. In strict mode whatever reads raises EventFormatError at the first fault, which names
    path, byte offset and reason.
    """

    path: Path
    format: Format
    mode: Mode
    reader: Reader
    chunk_bytes: int = _CHUNK
    given_size: tuple[int, int] | None = None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file's header says."""
        return self.reader.metadata

    @property
    def size_is_known(self) -> bool:
        """Whether the sensor's size was given or stands in the file; else it is that of the largest pixel."""
        return (self.given_size or self.reader.size) is not None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sensor."""
        return self.given_size or self.reader.size or self._index.size

    @property
    def report(self) -> Report:
        """What a pass over the whole recording gave, left out and changed."""
        return self._index.report

    @property
    def num_events(self) -> int:
        """How many events the recording gives."""
        return self._index.report.num_events

    @property
    def t_first(self) -> int:
        """Time of the first event, us; 0 if there is none."""
        return self._index.t_first

    @property
    def t_last(self) -> int:
        """Time of the last event, us; 0 if there is none."""
        return self._index.t_last

    @property
    def duration(self) -> int:
        """Time from the first to the last event, us."""
        return self.t_last - self.t_first

    def blocks(self, num: int = _BLOCK) -> Iterator[Events]:
        """Give the events in blocks of ``num``, the last one smaller; memory stays bounded.

        Raises: ConfigError if ``num`` is not positive; EventFormatError in strict mode.
        """
        if num < 1:
            raise ConfigError("Recording.blocks", expected="num >= 1", got=str(num))
        size = self.size
        waiting: list[Events] = []
        count = 0
        for events in self._events(_Place(self.reader.start), size):
            waiting.append(events)
            count += len(events)
            if count < num:
                continue
            joined = _join(waiting, size)
            whole = count - count % num
            for start in range(0, whole, num):
                yield joined[start : start + num]
            # A view would keep all of the joined columns alive.
            waiting = [_join([joined[whole:], Events.of([], [], [], [], size=size)], size)]
            count -= whole
        if count:
            yield _join(waiting, size)

    def read(self) -> Events:
        """Read all events."""
        return self.read_with_report()[0]

    def read_with_report(self) -> tuple[Events, Report]:
        """Read all events and tell what was left out or changed, in one pass."""
        report, sides = Report(), (0, 0)
        joined = Joined(self.reader, self.chunk_bytes)
        for columns, faults, others, _ in self._walk(_Place(self.reader.start), self._bound, joined.room):
            report = report.plus(columns.t.size, faults, others)
            joined.add(columns)
            sides = _grown(sides, columns)
        size = self.given_size or self.reader.size or (max(sides[0], 1), max(sides[1], 1))
        return _of(joined.columns(), size), report

    def between(self, start: int, stop: int) -> Events:
        """Read the events with start <= t < stop, us."""
        size = self.size
        at = max(bisect_left(self._index.lasts, start) - 1, 0)
        found: list[Events] = []
        for events in self._events(self._index.places[at], size):
            found.append(events.between(start, stop))
            if len(events) and events.t[-1] >= stop:
                break
        return _join(found, size)

    def take(self, first: int, last: int) -> Events:
        """Read events number ``first`` to ``last`` (without it), as a slice does.

        Raises: ConfigError for negative numbers.
        """
        if first < 0 or last < 0:
            raise ConfigError("Recording.take", expected="numbers >= 0", got=f"{first} to {last}")
        size = self.size
        at = max(bisect_right([place.number for place in self._index.places], first) - 1, 0)
        place = self._index.places[at]
        number = place.number
        found: list[Events] = []
        for events in self._events(place, size):
            found.append(events[max(first - number, 0) : max(last - number, 0)])
            number += len(events)
            if number >= last:
                break
        return _join(found, size)

    def frames(self) -> Iterator[Frame]:
        """Give the camera's frames one by one, in the order of the file; only AEDAT 3.1 and 4 hold some.

        Raises: EventFormatError in strict mode; in repair mode broken packets are skipped.
        """
        return (found for found in self._others() if isinstance(found, Frame))

    def imu(self) -> Imu:
        """Read the samples of the inertial sensor; only AEDAT 3.1 and 4 hold some. Raises: as ``frames``."""
        return join_imu(self._gathered(Imu))

    def triggers(self) -> Triggers:
        """Read the triggers; only AEDAT 3.1 and 4 give some. Raises: as ``frames``."""
        return join_triggers(
            self._gathered(Triggers), OTHERS[self.format.name].names if self.format.name in OTHERS else {}
        )

    def _gathered(self, kind: type[_K]) -> list[_K]:
        """Keep the parts of one kind, as long as they take no more than 64 MiB + 4 times the file."""
        parts: list[_K] = []
        room = _ROOM + 4 * self.path.stat().st_size
        for found in self._others():
            if isinstance(found, kind):
                parts.append(found)
                room -= sum(column.nbytes for column in found if isinstance(column, np.ndarray))
            if room < 0:
                raise EventFormatError(
                    str(self.path), expected="samples that fit 4 times the file", got="more", path=str(self.path)
                )
        return parts

    def _others(self) -> Iterator[Frame | Imu | Triggers]:
        """Walk over what is no pixel event."""
        if self.format.name not in OTHERS:
            return
        for found in OTHERS[self.format.name].walk(self.path):
            if not isinstance(found, Fault):
                yield found
            elif self.mode == "strict":
                raise found.error(self.path)

    @property
    def _bound(self) -> tuple[int, int]:
        """Height and width that pixels are judged by."""
        return self.given_size or self.reader.size or (MAX_SIDE, MAX_SIDE)

    @cached_property
    def _index(self) -> _Index:
        size = self.given_size or self.reader.size
        places = [_Place(self.reader.start)]
        report, bounds, sides = Report(), [0, 0], (0, 0)
        for columns, faults, others, place in self._walk(places[0], self._bound):
            if columns.t.size:
                bounds = [bounds[0] if report.num_events else int(columns.t[0]), int(columns.t[-1])]
                sides = _grown(sides, columns)
            report = report.plus(columns.t.size, faults, others)
            places.append(place)
        lasts = [place.clock.last for place in places]
        found = size or (max(sides[0], 1), max(sides[1], 1))
        return _Index(places, lasts, report, bounds[0], bounds[1], found)

    def _events(self, place: _Place, size: tuple[int, int]) -> Iterator[Events]:
        for columns, _, _, _ in self._walk(place, self._bound):
            yield _of(columns, size)

    def _walk(
        self, place: _Place, size: tuple[int, int], room: Room | None = None
    ) -> Iterator[tuple[Columns, tuple[Fault, ...], Mapping[str, int], _Place]]:
        """Walk on from a place: judged columns, faults, counts of what is no event, and the place after them."""
        mark, clock, number = place
        after = mark
        if mark == self.reader.start and self.reader.faults:
            self._raise(self.reader.faults)
            yield empty(), self.reader.faults, {}, place
        reader, num = self.reader, self.chunk_bytes
        if isinstance(reader, ByteReader):
            chunks = reader.chunks(mark, num * (1 if room is None else reader.steps), room)
        else:
            chunks = reader.chunks(mark, num)
        for chunk, after in chunks:
            columns, clock, found = judge(chunk.columns, size, clock, self.mode)
            faults = (*chunk.faults, *found)
            self._raise(faults)
            number += columns.t.size
            yield columns, faults, chunk.others, _Place(after, clock, number)
        if clock.pending is not None:
            columns, clock, found = judge(empty(), size, clock, self.mode, final=True)
            yield columns, found, {}, _Place(after, clock, number + columns.t.size)

    def _raise(self, faults: Sequence[Fault]) -> None:
        if faults and self.mode == "strict":
            raise min(faults, key=lambda fault: fault.at).error(self.path, self.reader.unit)


def open_events(
    path: str | Path,
    *,
    mode: Mode = "strict",
    size: tuple[int, int] | None = None,
    format: Format | str | None = None,  # noqa: A002 # the word that users look for
    chunk_bytes: int = _CHUNK,
) -> Recording:
    """Open an event recording of any known format, recognised by its content and not by its name.

    Args: mode: "strict" raises at the first fault, "repair" skips and counts (see ``Recording.report``). size: height
        and width of the sensor, for formats that do not store it; the default is what the file says, else the largest
        pixel. format: a format or its name, for files that cannot be recognised. chunk_bytes: about how much of the
        file is decoded at a time.
    Raises: EventFormatError, with path, byte offset, reason and mend, if no format recognises the file or its header
        is broken; DataError if it cannot be read; ConfigError, UnknownNameError for wrong arguments.
    """
    path = Path(path)
    if mode not in ("strict", "repair"):
        raise ConfigError("open_events", expected="mode strict or repair", got=repr(mode))
    if chunk_bytes < 1:
        raise ConfigError("open_events", expected="chunk_bytes >= 1", got=str(chunk_bytes))
    if size is not None and not all(0 < side <= MAX_SIDE for side in size):
        raise ConfigError("open_events", expected=f"size (height, width) of 1 to {MAX_SIDE} each", got=str(size))
    try:
        chosen = recognise(path) if format is None else by_name(format) if isinstance(format, str) else format
        reader = chosen.open(path)
    except OSError as error:
        raise DataError(str(path), expected="a readable file", got=str(error)) from error
    if reader.size is not None and max(reader.size) > MAX_SIDE:
        got = f"{reader.size[0]} x {reader.size[1]}"
        expected = f"a sensor of at most {MAX_SIDE} pixels a side"
        raise EventFormatError(f"{path}: header", expected=expected, got=got, path=str(path), offset=0)
    return Recording(path=path, format=chosen, mode=mode, reader=reader, chunk_bytes=chunk_bytes, given_size=size)


def recognise(path: str | Path) -> Format:
    """Find the format of a file by its first bytes.

    Raises: EventFormatError if there is none; OSError if it cannot be read.
    """
    with Path(path).open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
    for known in FORMATS:
        if known.sniff(head, size):
            return known
    names = ", ".join(known.name for known in FORMATS)
    got = f"{size} bytes that begin with {head[:16]!r}" if size else "an empty file"
    mend = "If you know the format, name it: open_events(path, format=...)."
    where = f"{path}: byte 0"
    raise EventFormatError(where, expected=f"a known format ({names})", got=got, mend=mend, path=str(path), offset=0)


def _grown(sides: tuple[int, int], columns: Columns) -> tuple[int, int]:
    """Widen height and width so that they hold some events."""
    if not columns.t.size:
        return sides
    if (bounds := columns.bounds) is not None:
        return max(sides[0], bounds.y_high + 1), max(sides[1], bounds.x_high + 1)
    return max(sides[0], int(columns.y.max()) + 1), max(sides[1], int(columns.x.max()) + 1)


def _of(columns: Columns, size: tuple[int, int]) -> Events:
    return Events(columns.t, columns.x, columns.y, columns.polarity, size)


def _join(parts: Sequence[Events], size: tuple[int, int]) -> Events:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _of(empty(), size)
    t, x = np.concatenate([part.t for part in parts]), np.concatenate([part.x for part in parts])
    y, polarity = np.concatenate([part.y for part in parts]), np.concatenate([part.polarity for part in parts])
    return Events(t, x, y, polarity, size)
