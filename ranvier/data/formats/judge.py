"""The judge of decoded events: no pixel off the sensor and no step back in time passes in silence.

Strict mode names the first event that breaks a rule. Repair mode gives sorted events on the sensor:
an event off the sensor, of another polarity than 0, 1 and -1, or of a time beyond +-2^61 us is dropped;
a lone event that lies more than 10 ms ahead of its successor, which itself follows the one before, is dropped;
an event up to 10 ms behind the latest one is held: it gets the time of that one; one farther behind is dropped.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.faults import Fault, Mode
from ranvier.data.formats.interface import Bounds, Columns, Places, Positions, no_columns

HOLD_US = 10_000
T_LIMIT = 1 << 61
MAX_SIDE = 1 << 15  # pixels are int16


class Clock(NamedTuple):
    """What judging carries from one chunk to the next."""

    last: int = -T_LIMIT  # latest time given
    pending: Columns | None = None  # repair: the last event of the chunk before, whose successor is not known yet
    before: int = -T_LIMIT  # repair: the time in the file of the event before the pending one


def judge(
    columns: Columns, size: tuple[int, int], clock: Clock, mode: Mode, *, final: bool = False
) -> tuple[Columns, Clock, tuple[Fault, ...]]:
    """Check events against a sensor of ``size`` (height, width) and a clock.

    Returns: columns of the types of ``Events``, the clock after them, faults (in strict mode the first one only).
    """
    if (bounds := columns.bounds) is not None and _clean(bounds, size, clock):
        return _passed(columns, bounds, clock, mode, final=final)
    if mode == "strict":
        fault = _first(columns, size, clock.last)
        if fault is not None:
            return columns, clock, (fault,)
        last = int(columns.t[-1]) if columns.t.size else clock.last
        return _typed(columns), Clock(last), ()
    good, faults = _kept_places(columns, size)
    if clock.pending is not None:
        good = _joined(clock.pending, good)
    before = int(good.t[-2]) if good.t.size > 1 else clock.before
    good, more = _without_lone(good, clock.before)
    rest = None
    if not final and good.t.size:
        rest = _last(good)
        rest = rest._replace(at=_places(rest.at))  # a part found later would keep every chunk before it alive
        good = _chosen(good, slice(0, good.t.size - 1))
    good, held = _forward(good, clock.last)
    last = int(good.t[-1]) if good.t.size else clock.last
    return _typed(good), Clock(last, rest, before), (*faults, *more, *held)


def _clean(bounds: Bounds, size: tuple[int, int], clock: Clock) -> bool:
    """Tell by the bounds alone that no event breaks a rule."""
    height, width = size
    pending = clock.pending
    last = clock.last if pending is None else int(pending.t[0])
    return (
        bounds.rising and bounds.x_low >= 0 and bounds.x_high < width and bounds.y_low >= 0 and bounds.y_high < height
        and bounds.p_high <= 1 and bounds.t_low > -T_LIMIT and bounds.t_high < T_LIMIT
        and clock.last <= last <= bounds.t_first
    )  # fmt: skip


def _passed(
    columns: Columns, bounds: Bounds, clock: Clock, mode: Mode, *, final: bool
) -> tuple[Columns, Clock, tuple[Fault, ...]]:
    """Give events that are all good, and the clock after them."""
    if mode == "strict":
        return _typed(columns)._replace(bounds=bounds), Clock(bounds.t_last), ()
    columns = columns._replace(bounds=None)
    good = columns if clock.pending is None else _joined(clock.pending, columns)
    before = int(good.t[-2]) if good.t.size > 1 else clock.before
    rest = None
    if not final:
        rest, good = _last(columns), _chosen(good, slice(0, good.t.size - 1))
    last = int(good.t[-1]) if good.t.size else clock.last
    return _typed(good), Clock(last, rest, before), ()


def _typed(columns: Columns) -> Columns:
    polarity = columns.polarity
    if polarity.dtype != np.uint8:
        polarity = (polarity > 0).astype(np.uint8)
    x, y = columns.x.astype(np.int16, copy=False), columns.y.astype(np.int16, copy=False)
    return Columns(columns.t, x, y, polarity, columns.at)


def _off(columns: Columns, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Mark events off the sensor, of no known polarity or time; None if there are none."""
    t, x, y, polarity = columns[:4]
    if not t.size:
        return None
    height, width = size
    inside = int(x.max()) < width and int(y.max()) < height and int(polarity.max()) <= 1
    signed = [column for column in (x, y) if column.dtype.kind == "i"]
    inside &= all(int(column.min()) >= 0 for column in signed)
    inside &= polarity.dtype.kind != "i" or int(polarity.min()) >= -1
    if inside and int(t.min()) > -T_LIMIT and int(t.max()) < T_LIMIT:
        return None
    off = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    off |= (polarity != 0) & (polarity != 1) & (polarity != -1) if polarity.dtype.kind == "i" else polarity > 1
    marked: NDArray[np.bool_] = off | (t <= -T_LIMIT) | (t >= T_LIMIT)
    return marked


def _describe(columns: Columns, index: int, size: tuple[int, int]) -> Fault:
    height, width = size
    at, t = int(columns.at[index]), int(columns.t[index])
    x, y, polarity = int(columns.x[index]), int(columns.y[index]), int(columns.polarity[index])
    if not (0 <= x < width and 0 <= y < height):
        expected = f"a pixel of a sensor of {height} x {width} (height x width)"
        return Fault("off the sensor", at, expected, f"x = {x}, y = {y}", dropped=1)
    if polarity not in (-1, 0, 1):
        return Fault("polarity", at, "a polarity of 0 or 1", str(polarity), dropped=1)
    return Fault("wild time", at, "a time within +-2^61 us", f"{t} us", dropped=1)


def _first(columns: Columns, size: tuple[int, int], last: int) -> Fault | None:
    t = columns.t
    if not t.size:
        return None
    places = []
    if (off := _off(columns, size)) is not None:
        places.append(int(np.argmax(off)))
    back = t[1:] < t[:-1]
    if int(t[0]) < last:
        places.append(0)
    elif back.any():
        places.append(int(np.argmax(back)) + 1)
    if not places:
        return None
    index = min(places)
    if off is not None and off[index]:
        return _describe(columns, index, size)
    before = int(t[index - 1]) if index else last
    expected = f"a time >= {before} us, that of the event before"
    return Fault("backward time", int(columns.at[index]), expected, f"{int(t[index])} us", dropped=1)


def _places(at: Positions) -> NDArray[np.int64]:
    if isinstance(at, range):
        return np.arange(at.start, at.stop, at.step, dtype=np.int64)
    return np.asarray(at)


def _chosen(columns: Columns, which: slice | NDArray[np.bool_]) -> Columns:
    at = columns.at[which] if isinstance(which, slice) else _places(columns.at)[which]
    return Columns(columns.t[which], columns.x[which], columns.y[which], columns.polarity[which], at)


def _last(columns: Columns) -> Columns:
    """Copy the last event: the memory of the others may be used again."""
    t, x, y, polarity = (column[-1:].copy() for column in columns[:4])
    return Columns(t, x, y, polarity, columns.at[len(columns.at) - 1 :])


def _joined(first: Columns, second: Columns) -> Columns:
    if not second.t.size:
        return first
    pairs = zip(first[:4], second[:4], strict=True)
    t, x, y, polarity = (np.concatenate(pair) for pair in pairs)
    at = Places(t.size, lambda: np.concatenate((_places(first.at), _places(second.at))))
    return Columns(t, x, y, polarity, at)


def _kept_places(columns: Columns, size: tuple[int, int]) -> tuple[Columns, tuple[Fault, ...]]:
    off = _off(columns, size)
    if off is None or not off.any():
        return columns, ()
    height, width = size
    beyond = off & ((columns.x < 0) | (columns.x >= width) | (columns.y < 0) | (columns.y >= height))
    odd = off & ~beyond & (columns.polarity != 0) & (columns.polarity != 1) & (columns.polarity != -1)
    faults = []
    for kind in (beyond, odd, off & ~beyond & ~odd):
        if count := int(kind.sum()):
            first = _describe(columns, int(np.argmax(kind)), size)
            faults.append(first._replace(num=count, dropped=count))
    return _chosen(columns, ~off), tuple(faults)


def _without_lone(columns: Columns, before_first: int) -> tuple[Columns, tuple[Fault, ...]]:
    """Drop lone events far ahead, all but the last event, whose successor is not known."""
    t = columns.t
    if t.size < 2:
        return columns, ()
    before = np.empty_like(t)
    before[0], before[1:] = before_first, t[:-1]
    lone = np.zeros(t.size, bool)
    lone[:-1] = (t[:-1] - t[1:] > HOLD_US) & (t[1:] >= before[:-1])
    if not (count := int(lone.sum())):
        return columns, ()
    index = int(np.argmax(lone))
    expected = f"a time <= {int(t[index + 1])} us, that of the event after"
    at = int(columns.at[index])
    fault = Fault("time ahead", at, expected, f"{int(t[index])} us", num=count, dropped=count)
    return _chosen(columns, ~lone), (fault,)


def _forward(columns: Columns, last: int) -> tuple[Columns, tuple[Fault, ...]]:
    """Hold or drop events that lie behind the latest one."""
    t = columns.t
    if not t.size or (int(t[0]) >= last and not (t[1:] < t[:-1]).any()):
        return columns, ()
    latest = np.maximum(np.maximum.accumulate(t), last)
    behind = latest - t
    index = int(np.argmax(behind > 0))
    expected = f"a time >= {int(latest[index])} us, that of the event before"
    at, got = int(columns.at[index]), f"{int(t[index])} us"
    far = behind > HOLD_US
    dropped = int(far.sum())
    held = int((behind > 0).sum()) - dropped
    fault = Fault("backward time", at, expected, got, num=held + dropped, dropped=dropped, changed=held)
    kept = _chosen(columns._replace(t=latest), ~far) if dropped else columns._replace(t=latest)
    return kept, (fault,)


def empty() -> Columns:
    """Give judged columns without events."""
    return _typed(no_columns())
