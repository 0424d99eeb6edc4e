"""Framing: events become tensors (T, 2, H, W), channel 0 OFF and channel 1 ON.

A framing is a frozen description that is called with events, so it can be stored, compared and sent to workers.
The frames lie on the device of the events (``DeviceEvents``), on the CPU for an event array.
No event is lost or counted twice: an event on a border belongs to the frame that begins there.
Letters: T frames, C polarity, H W space, E events.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.columns import DeviceEvents, add_up, at_least, first_time, microseconds, positive
from ranvier.data.events import Events

Values = Literal["counts", "binary"]


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
        cut = events.between(start, start + span)
        return _accumulate(cut, (cut.t - start) // window, num_frames, self.values, self.shrink)


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
        cut = events.between(start, start + span)
        return _accumulate(cut, (cut.t - start) * self.num // span, self.num, self.values, self.shrink)


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
        frame = torch.arange(len(events), device=events.t.device) * self.num // max(len(events), 1)
        return _accumulate(events, frame, self.num, self.values, self.shrink)


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
        events = DeviceEvents.of(events)
        frame = torch.arange(len(events), device=events.t.device) // self.count
        return _accumulate(events, frame, num_frames, self.values, self.shrink)


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
        starts, at = [], 0
        while at < len(events):
            starts.append(at)
            at = int(ends[at])
        frame = torch.searchsorted(torch.tensor(starts, dtype=torch.int64, device=index.device), index, right=True) - 1
        return _accumulate(events, frame, max(1, len(starts)), self.values, self.shrink)


Framing = TimeWindows | NumWindows | EqualCounts | CountWindows | CountOrTimeWindows


def _accumulate(events: DeviceEvents, frame_E: Tensor, num_frames: int, values: Values, shrink: int) -> Tensor:
    height, width = (-(-side // shrink) for side in events.size)
    x, y = (events.x, events.y) if shrink == 1 else (events.x // shrink, events.y // shrink)
    cell_E = ((frame_E * 2 + events.polarity) * height + y) * width + x
    counts = add_up(cell_E, None, num_frames * 2 * height * width)
    filled = counts > 0 if values == "binary" else counts
    return filled.float().view(num_frames, 2, height, width)


def _check(values: str, shrink: int) -> None:
    if values not in ("counts", "binary"):
        raise ConfigError("framing: values", expected="'counts' or 'binary'", got=repr(values))
    if shrink < 1:
        raise ConfigError("framing: shrink", expected="a whole number >= 1", got=repr(shrink))
