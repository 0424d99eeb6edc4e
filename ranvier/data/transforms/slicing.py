"""Slicing: a recording becomes many, by time, by count or by label; slices are views, no event is copied.

A slicer gives the bounds first, so that a data set can know its length and read one slice at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.columns import AnyEvents, DeviceEvents, at_least, first_time, microseconds, places, positive
from ranvier.data.events import Events

Bounds = NDArray[np.int64]  # (S, 2): slice s holds the events bounds[s, 0] <= i < bounds[s, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceByTime:
    """Slices of one duration: slice s holds the events with 0 <= t - start - s (window - overlap) < window.

    Without overlap each event from the start on lies in exactly one slice. The last slice holds the last event; with
    ``whole`` only slices that end before or at the last event are given.

    Raises: ConfigError for times that make no sense; ShapeError for more than 2^24 slices.
    """

    window: float | str  # ms, or with a unit
    overlap: float | str = 0.0  # ms, of a slice with the next
    start: float | str | None = None  # ms; None: at the first event
    whole: bool = False  # leave out a slice that the recording does not fill

    def __post_init__(self) -> None:
        window = positive(self.window, "SliceByTime.window")
        if not 0 <= microseconds(self.overlap, "SliceByTime.overlap") < window:
            expected = f"a time >= 0 and below the window, {self.window}"
            raise ConfigError("SliceByTime.overlap", expected=expected, got=repr(self.overlap))

    def bounds(self, events: Events | DeviceEvents) -> Bounds:
        """Give the first event of each slice and the one after its last: (S, 2)."""
        window, start = microseconds(self.window, "window"), first_time(events, self.start)
        step = window - microseconds(self.overlap, "overlap")
        span = int(events.t[-1]) - start + 1 if len(events) else 0
        if span <= 0:
            return np.zeros((0, 2), np.int64)
        # The last slice is the first that holds the last event: later ones would only repeat its end.
        num = max(0, (span - window) // step + 1) if self.whole else max(0, -(-(span - window) // step)) + 1
        if num > 1 << 24:
            mend = "Use longer windows."
            raise ShapeError("SliceByTime", expected="at most 2^24 slices", got=str(num), mend=mend)
        begin = start + np.arange(num) * step
        return np.stack([places(events, begin), places(events, begin + window)], axis=1)

    def __call__(self, events: AnyEvents) -> list[AnyEvents]:
        """Give the slices, as views."""
        return _views(events, self.bounds(events))


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceByCount:
    """Slices of one number of events: slice s holds the events s step <= i < s step + count, step = count - overlap.

    Without overlap each event lies in exactly one slice. The last one holds what is left; ``whole`` leaves it out.

    Raises: ConfigError for numbers that make no sense.
    """

    count: int
    overlap: int = 0  # events, of a slice with the next
    whole: bool = False

    def __post_init__(self) -> None:
        at_least("SliceByCount.count", self.count, 1)
        if not 0 <= self.overlap < self.count:
            expected = f"a number >= 0 and below the count, {self.count}"
            raise ConfigError("SliceByCount.overlap", expected=expected, got=repr(self.overlap))

    def bounds(self, events: Events | DeviceEvents) -> Bounds:
        """Give the first event of each slice and the one after its last: (S, 2)."""
        total, step = len(events), self.count - self.overlap
        num = max(0, (total - self.count) // step + 1) if self.whole else max(0, -(-(total - self.count) // step)) + 1
        begin = np.arange(num if total else 0) * step
        return np.stack([begin, np.minimum(begin + self.count, total)], axis=1)

    def __call__(self, events: AnyEvents) -> list[AnyEvents]:
        """Give the slices, as views."""
        return _views(events, self.bounds(events))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording that carries a label: start <= t < stop, us."""

    start: int
    stop: int
    label: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            raise ConfigError("Span.stop", expected=f"a time >= start, {self.start} us", got=repr(self.stop))


@dataclass(frozen=True, slots=True)
class SliceByLabel:
    """A slice for each labelled stretch, as in DVS128 Gesture; stretches may overlap, or reach beyond the recording."""

    spans: Sequence[Span]

    def bounds(self, events: Events | DeviceEvents) -> Bounds:
        """Give the first event of each slice and the one after its last: (S, 2)."""
        times = np.array([(span.start, span.stop) for span in self.spans], np.int64).reshape(-1, 2)
        return places(events, times)

    def __call__(self, events: AnyEvents) -> list[tuple[AnyEvents, int]]:
        """Give each slice, as views, with its label."""
        return list(zip(_views(events, self.bounds(events)), (span.label for span in self.spans), strict=True))


def _views(events: AnyEvents, bounds: Bounds) -> list[AnyEvents]:
    return [events[int(first) : int(stop)] for first, stop in bounds]
