"""Framing: events become tensors (T, 2, H, W), channel 0 OFF and channel 1 ON.

A framing is a frozen description that is called with events, so it can be stored, compared and sent to workers.
The frames lie on the device of the events (``DeviceEvents``), on the CPU for an event array.
No event is lost or counted twice: an event on a border belongs to the frame that begins there.
Letters: T frames, C polarity, H W space, E events.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data import passes
from ranvier.data.columns import DeviceEvents, add_up, at_least, host_cells, microseconds, places, positive, window_of
from ranvier.data.events import Events
from ranvier.data.passes import Ruler

Values = Literal["counts", "binary"]
Whole = NDArray[np.int64]
_SMALL = 1 << 17  # counters that stay in the cache all together


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindows:
    """Frames of one duration each: frame k holds the events with k * window <= t - start < (k + 1) * window.

    Raises: ConfigError for durations that are not positive.
    """

    window: float | str  # ms, or with a unit ("10 ms")
    duration: float | str | None = None  # ms; what is framed, later events are cut. None: to the last event, T varies
    start: float | str | None = 0.0  # ms; None: at the first event
    values: Values = "counts"  # "binary": 1 where there is at least one event
    shrink: int = 1  # each shrink x shrink pixels become one, their events are added

    def __post_init__(self) -> None:
        for name in ("window", "duration"):
            value = getattr(self, name)
            if value is not None and microseconds(value, f"TimeWindows.{name}") < 1:
                raise ConfigError(f"TimeWindows.{name}", expected="a time of at least 1 us", got=repr(value))
        _check(self.values, self.shrink)

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Frame the events; returns (T, 2, H, W) float32, T = ceil(duration / window), at least 1."""
        window = microseconds(self.window, "window")
        start, span = window_of(events, self.start, self.duration, least=1, beyond=1)
        num_frames = max(1, -(-span // window))
        if num_frames * 2 * events.size[0] * events.size[1] > 1 << 31:
            mend = "Frame a part of it (events.between) or use longer windows."
            raise ShapeError("TimeWindows", expected="at most 2^31 values", got=f"{num_frames} frames", mend=mend)
        return _measure(events, Ruler(True, start, window, 1, span, num_frames), self.values, self.shrink)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumWindows:
    """A given number of frames of equal duration: frame k holds k * span / num <= t - start < (k + 1) * span / num.

    Raises: ConfigError for a number or duration that is not positive.
    """

    num: int
    duration: float | str | None = (
        None  # ms; later events are cut. None: to the last event, which frame num - 1 includes
    )
    start: float | str | None = None  # ms; None: at the first event
    values: Values = "counts"
    shrink: int = 1

    def __post_init__(self) -> None:
        if self.num < 1:
            raise ConfigError("NumWindows.num", expected="a number >= 1", got=repr(self.num))
        if self.duration is not None and microseconds(self.duration, "NumWindows.duration") < self.num:
            expected = f"a time of at least {self.num} us"
            raise ConfigError("NumWindows.duration", expected=expected, got=repr(self.duration))
        _check(self.values, self.shrink)

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Frame the events; returns (num, 2, H, W) float32."""
        start, span = window_of(events, self.start, self.duration, least=1, beyond=1)
        return _measure(events, Ruler(True, start, span, self.num, span, self.num), self.values, self.shrink)


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualCounts:
    """A given number of frames of equal count: event i of E lies in frame i * num // E, so frames differ by one event.

    Raises: ConfigError for a number that is not positive.
    """

    num: int
    values: Values = "counts"
    shrink: int = 1

    def __post_init__(self) -> None:
        if self.num < 1:
            raise ConfigError("EqualCounts.num", expected="a number >= 1", got=repr(self.num))
        _check(self.values, self.shrink)

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Frame the events; returns (num, 2, H, W) float32."""
        num = len(events)
        return _measure(events, Ruler(False, 0, num, self.num, num, self.num), self.values, self.shrink)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountWindows:
    """Frames of a given number of events each; the last frame takes what is left.

    Raises: ConfigError for a count that is not positive.
    """

    count: int
    values: Values = "counts"
    shrink: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError("CountWindows.count", expected="a number >= 1", got=repr(self.count))
        _check(self.values, self.shrink)

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Frame the events; returns (T, 2, H, W) float32, T = ceil(E / count), at least 1."""
        num = len(events)
        ruler = Ruler(False, 0, self.count, 1, num, max(1, -(-num // self.count)))
        return _measure(events, ruler, self.values, self.shrink)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOrTimeWindows:
    """Frames that end after a number of events or after a time, whichever comes first; each begins at an event.

    Frame k begins at event i and holds the events j with i <= j < i + count and t_j < t_i + window.

    Raises: ConfigError for a count or time that is not positive.
    """

    count: int
    window: float | str  # ms, or with a unit
    values: Values = "counts"
    shrink: int = 1

    def __post_init__(self) -> None:
        at_least("CountOrTimeWindows.count", self.count, 1)
        positive(self.window, "CountOrTimeWindows.window")
        _check(self.values, self.shrink)

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Frame the events; returns (T, 2, H, W) float32, T at least 1."""
        window = positive(self.window, "window")
        t = events.t if isinstance(events, Events) else events.t.cpu().numpy()
        ends = np.minimum(np.arange(len(t)) + self.count, np.searchsorted(t, t + window))
        borders = [0]
        while borders[-1] < len(events):
            borders.append(int(ends[borders[-1]]))
        return _accumulate(events, np.array(borders if len(events) else [0, 0]), self.values, self.shrink)


Framing = TimeWindows | NumWindows | EqualCounts | CountWindows | CountOrTimeWindows


def _measure(events: Events | DeviceEvents, ruler: Ruler, values: Values, shrink: int) -> Tensor:
    """Add up the frames between the marks of a ruler."""
    if isinstance(events, Events):
        height, width = events.size if shrink == 1 else (-(-side // shrink) for side in events.size)
        counted = passes.measured(events, ruler, shrink, ruler.num * 2 * height * width)
        if counted is not None:
            frames = torch.from_numpy(counted.reshape(ruler.num, 2, height, width))
            return frames if values == "counts" else (frames > 0).float()
    marks = ruler.marks()
    return _accumulate(events, places(events, marks) if ruler.by_time else marks, values, shrink)


def _accumulate(events: Events | DeviceEvents, borders: Whole, values: Values, shrink: int) -> Tensor:
    """Add up frames: frame k holds the events borders[k] <= i < borders[k + 1]."""
    height, width = events.size if shrink == 1 else (-(-side // shrink) for side in events.size)
    num = len(borders) - 1
    if isinstance(events, Events):
        counted = passes.frames(events, borders, shrink, num * 2 * height * width)
        if counted is None:
            counted = _by_numpy(events, borders, shrink, (height, width))
        frames = torch.from_numpy(counted)
    else:
        part = events[int(borders[0]) : int(borders[-1])]
        small = DeviceEvents(part.t, part.x // shrink, part.y // shrink, part.polarity, (height, width))
        frames = at_once(small.cells(), np.diff(borders), 2 * height * width)
    if values == "binary":
        frames = (frames > 0).float()
    return frames.view(num, 2, height, width)


def _by_numpy(events: Events, borders: Whole, shrink: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Count without the extension: (T * 2 * height * width,) for frames of ``size``."""
    part, counts, cells = events[int(borders[0]) : int(borders[-1])], np.diff(borders), 2 * size[0] * size[1]
    x, y = (part.x, part.y) if shrink == 1 else (part.x // shrink, part.y // shrink)
    count = together if len(counts) * cells <= _SMALL else one_by_one
    return count(host_cells(y, x, part.polarity, size), counts, cells)


def together(cell_E: Whole, counts: Whole, size: int) -> NDArray[np.float32]:
    """Count the events of each cell of all frames together: (T * size,); for small sensors."""
    offset_E = np.repeat(np.arange(len(counts)) * size, counts)
    return np.bincount(cell_E + offset_E, minlength=len(counts) * size).astype(np.float32)


def one_by_one(cell_E: Whole, counts: Whole, size: int) -> NDArray[np.float32]:
    """Do the same frame by frame, so that the counters of a large sensor stay in the cache."""
    frames, first = np.empty((len(counts), size), np.float32), 0
    for k, count in enumerate(counts):
        frames[k] = np.bincount(cell_E[first : first + count], minlength=size)
        first += count
    return frames.reshape(-1)


def at_once(cell_E: Tensor, counts: Whole, size: int) -> Tensor:
    """Do the same on the device of the events."""
    device = cell_E.device
    frame_T = torch.arange(len(counts), device=device)
    offset_E = torch.repeat_interleave(frame_T * size, torch.from_numpy(counts).to(device))
    return add_up(cell_E + offset_E, None, len(counts) * size).float()


def _check(values: str, shrink: int) -> None:
    if values not in ("counts", "binary"):
        raise ConfigError("framing: values", expected="'counts' or 'binary'", got=repr(values))
    if shrink < 1:
        raise ConfigError("framing: shrink", expected="a whole number >= 1", got=repr(shrink))
