"""Framing: events become tensors (T, 2, H, W), channel 0 OFF and channel 1 ON.

A framing is a frozen description that is called with events, so it can be stored, compared and sent to workers.
The frames lie on the device of the events (``DeviceEvents``), on the CPU for an event array.
No event is lost or counted twice: an event on a border belongs to the frame that begins there.
Letters: T frames, C polarity, H W space, E events.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.columns import DeviceEvents, add_up, at_least, first_time, microseconds, positive
from ranvier.data.events import Events

Values = Literal["counts", "binary"]
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
        events = DeviceEvents.of(events)
        start = first_time(events, self.start)
        if self.duration is None:
            span = int(events.t[-1]) - start + 1 if len(events) else window
        else:
            span = microseconds(self.duration, "duration")
        num_frames = max(1, -(-span // window))
        if num_frames * 2 * events.size[0] * events.size[1] > 1 << 31:
            mend = "Frame a part of it (events.between) or use longer windows."
            raise ShapeError("TimeWindows", expected="at most 2^31 values", got=f"{num_frames} frames", mend=mend)
        times = [start + min(k * window, span) for k in range(num_frames + 1)]
        return _accumulate(events, _places(events, times), self.values, self.shrink)


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
        events = DeviceEvents.of(events)
        start = first_time(events, self.start)
        if self.duration is None:
            span = int(events.t[-1]) - start + 1 if len(events) else 1
        else:
            span = microseconds(self.duration, "duration")
        times = [start - (-k * span // self.num) for k in range(self.num + 1)]
        return _accumulate(events, _places(events, times), self.values, self.shrink)


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
        events = DeviceEvents.of(events)
        borders = [-(-k * len(events) // self.num) for k in range(self.num + 1)]
        return _accumulate(events, borders, self.values, self.shrink)


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
        num_frames = max(1, -(-len(events) // self.count))
        borders = [min(k * self.count, len(events)) for k in range(num_frames + 1)]
        return _accumulate(DeviceEvents.of(events), borders, self.values, self.shrink)


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
        events = DeviceEvents.of(events)
        window = positive(self.window, "window")
        index = torch.arange(len(events), device=events.t.device)
        ends = torch.minimum(index + self.count, torch.searchsorted(events.t, events.t + window)).cpu().numpy()
        borders = [0]
        while borders[-1] < len(events):
            borders.append(int(ends[borders[-1]]))
        return _accumulate(events, borders if len(events) else [0, 0], self.values, self.shrink)


Framing = TimeWindows | NumWindows | EqualCounts | CountWindows | CountOrTimeWindows


def _places(events: DeviceEvents, times: list[int]) -> list[int]:
    """Find the first event at or after each time (us)."""
    found: list[int] = torch.searchsorted(events.t, torch.tensor(times, device=events.t.device)).tolist()
    return found


def _accumulate(events: DeviceEvents, borders: list[int], values: Values, shrink: int) -> Tensor:
    """Add up frames: frame k holds the events borders[k] <= i < borders[k + 1]."""
    height, width = (-(-side // shrink) for side in events.size)
    num_frames, size = len(borders) - 1, 2 * height * width
    events = events[borders[0] : borders[-1]]
    if shrink > 1:
        small = (events.x // shrink, events.y // shrink)
        events = DeviceEvents(events.t, *small, events.polarity, (height, width))
    cell_E = events.cells()
    counts = [b - a for a, b in pairwise(borders)]
    fill = frame_by_frame if cell_E.device.type == "cpu" and num_frames * size > _SMALL else at_once
    frames = fill(cell_E, counts, size)
    if values == "binary":
        frames = (frames > 0).float()
    return frames.view(num_frames, 2, height, width)


def frame_by_frame(cell_E: Tensor, counts: list[int], size: int) -> Tensor:
    """Count the events of each cell: (T, size) float32; faster for large sensors, whose frames stay in the cache."""
    frames = torch.empty(len(counts), size)
    for k, part in enumerate(torch.split(cell_E, counts)):
        frames[k] = add_up(part, None, size)
    return frames


def at_once(cell_E: Tensor, counts: list[int], size: int) -> Tensor:
    """Count the events of each cell of all frames together: (T, size) float32; for small sensors and accelerators."""
    device = cell_E.device
    offset_E = torch.repeat_interleave(
        torch.arange(len(counts), device=device) * size, torch.tensor(counts, device=device)
    )
    return add_up(cell_E + offset_E, None, len(counts) * size).float().view(-1, size)


def _check(values: str, shrink: int) -> None:
    if values not in ("counts", "binary"):
        raise ConfigError("framing: values", expected="'counts' or 'binary'", got=repr(values))
    if shrink < 1:
        raise ConfigError("framing: shrink", expected="a whole number >= 1", got=repr(shrink))
