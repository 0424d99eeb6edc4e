"""Passes over event columns in C++: what framing, voxel grids, filters and HATS run on where the extension is there.

Each function gives None where it is not, or where a pass would ask for too much memory; the caller then takes its numpy
or torch form, which says what is right: results are the same bit for bit.
Letters: E events, T frames, B bins, C channels, H W space.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ShapeError
from ranvier.data.events import Events, first_bad
from ranvier.data.native import native

Whole = NDArray[np.int64]


class Ruler(NamedTuple):
    """Marks at equal steps: start + min(ceil(k step / parts), cap) for k from 0 to num, by time (us) or by count."""

    by_time: bool
    start: int
    step: int
    parts: int
    cap: int
    num: int

    def marks(self) -> Whole:
        """Give the marks: (num + 1,)."""
        return self.start + np.minimum(-(-np.arange(self.num + 1) * self.step // self.parts), self.cap)


_EXACT = 1 << 24  # a float32 counts no further
_MOST_PIXELS = 1 << 24  # memory of a pass: some bytes a pixel of the sensor


def frames(events: Events, borders: Whole, shrink: int, num_values: int) -> NDArray[np.float32] | None:
    """Count the events borders[k] <= i < borders[k + 1] of each cell for each frame k: (num_values,), T 2 H W."""
    if (extension := native()) is None:
        return None
    out = np.empty(num_values, np.float32)
    _judge(events, extension.frames(events.x, events.y, events.polarity, events.size, borders, shrink, _EXACT, out))
    return out


def measured(events: Events, ruler: Ruler, shrink: int, num_values: int) -> NDArray[np.float32] | None:
    """Count the events between the marks of a ruler as ``frames`` does: (num_values,), T 2 H W."""
    if (extension := native()) is None:
        return None
    out = np.empty(num_values, np.float32)
    t = events.t if ruler.by_time else None
    _judge(
        events, extension.measured(t, events.x, events.y, events.polarity, events.size, ruler[1:], shrink, _EXACT, out)
    )
    return out


def voxels(events: Events, start: int, span: int, num_bins: int, channels: int) -> NDArray[np.float32] | None:
    """Share each event between two bins of time: (B C H W,); 1 channel signed, 2 split by polarity."""
    if (extension := native()) is None:
        return None
    out = np.empty(num_bins * channels * events.size[0] * events.size[1], np.float32)
    columns = (events.t, events.x, events.y, events.polarity, events.size)
    _judge(events, extension.voxels(*columns, start, span, num_bins, channels, out))
    return out


def supported(events: Events, window: int, num: int) -> NDArray[np.bool_] | None:
    """Tell whether at least ``num`` of the 8 pixels around fired before, within ``window`` us, for each event: (E,)."""
    if (extension := native()) is None or events.size[0] * events.size[1] > _MOST_PIXELS:
        return None
    kept = np.empty(len(events), bool)
    _judge(events, extension.supported(events.t, events.x, events.y, events.size, _short(window), num, kept))
    return kept


def dense(events: Events, window: int, radius: int, num: int) -> NDArray[np.bool_] | None:
    """Tell whether at least ``num`` past events of other pixels lie in the box of each event: (E,)."""
    extension, (height, width) = native(), events.size
    if extension is None or (height + 2 * radius) * (width + 2 * radius) > _MOST_PIXELS or len(events) >= 1 << 32:
        return None
    kept = np.empty(len(events), bool)
    _judge(events, extension.dense(events.t, events.x, events.y, events.size, _short(window), radius, num, kept))
    return kept


def hats(
    events: Events, cell: int, radius: int, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Whole] | None:
    """Sum ``weight[t_i - t_j]`` over the pairs of each group of a cell and a polarity, by their distance.

    Returns: sums (groups, 2 radius + 1, 2 radius + 1) and the number of events of each group.
    """
    if (extension := native()) is None:
        return None
    groups, side = -(-events.size[0] // cell) * -(-events.size[1] // cell) * 2, 2 * radius + 1
    total, count = np.zeros(groups * side * side), np.zeros(groups, np.int64)
    columns = (events.t, events.x, events.y, events.polarity, events.size)
    _judge(events, extension.hats(*columns, cell, radius, weight, total, count))
    return total.reshape(groups, side, side), count


def _short(window: int) -> int:
    return min(window, 1 << 62)


def _judge(events: Events, bad: int) -> None:
    """Raise ShapeError for the event that a pass refused."""
    if bad < 0:
        return
    part = slice(bad, bad + 1)
    found = first_bad(events.t[part], events.x[part], events.y[part], events.polarity[part], events.size)
    expected, got = found[1:] if found is not None else ("a polarity of 0 or 1", str(events.polarity[bad]))
    mend = "Events.of(...) checks every event."
    raise ShapeError(f"Events, event {bad}", expected=expected, got=got, mend=mend)
