"""What every transform stands on: event columns on any device, times in microseconds, sums that no order can change.

Letters: E events, N cells (a cell is a pixel of a channel).
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.units import parse
from ranvier.data.events import Events

_ONE = 1 << 32  # sums are of multiples of 2^-32: exact, so neither the order nor the device changes them


@dataclass(frozen=True, slots=True, eq=False)
class DeviceEvents:
    """An event array as tensors on one device; every transform that gives a tensor takes it in place of ``Events``.

    The rules are those of ``Events``; ``DeviceEvents.of(events, "cuda")`` copies, on the CPU it shares the memory
    (columns that are read-only or not contiguous are copied).
    """

    t: Tensor  # (E,) int64, us, non-decreasing
    x: Tensor  # (E,) int16
    y: Tensor  # (E,) int16
    polarity: Tensor  # (E,) uint8
    size: tuple[int, int]  # (H, W)

    @classmethod
    def of(cls, events: "Events | DeviceEvents", device: torch.device | str | None = None) -> "DeviceEvents":
        """Put events on a device; None: leave them where they are."""
        t, x, y, polarity = (_tensor(column).to(device) for column in (events.t, events.x, events.y, events.polarity))
        return cls(t, x, y, polarity, events.size)

    def __len__(self) -> int:
        return int(self.t.numel())

    def __getitem__(self, which: slice | Tensor) -> "DeviceEvents":
        """Select events; a slice gives views."""
        return DeviceEvents(self.t[which], self.x[which], self.y[which], self.polarity[which], self.size)

    @property
    def duration(self) -> int:
        """Time from the first to the last event, us; 0 if there is none."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0

    def between(self, start: int, stop: int) -> "DeviceEvents":
        """Give the events with start <= t < stop (us), as views."""
        first, last = torch.searchsorted(self.t, torch.tensor([start, stop], device=self.t.device)).tolist()
        return self[first:last]

    def pixels(self) -> Tensor:
        """Give each event's pixel as one number y * W + x: (E,) int64."""
        return self._numbers(channels=False)

    def cells(self) -> Tensor:
        """Give each event's channel and pixel as one number (polarity * H + y) * W + x: (E,) int64."""
        return self._numbers(channels=True)

    def _numbers(self, *, channels: bool) -> Tensor:
        if self.t.device.type == "cpu":
            columns = (self.y.numpy(), self.x.numpy(), self.polarity.numpy() if channels else None)
            return torch.from_numpy(host_cells(*columns, self.size))
        height, width = self.size
        pixel = self.y.long() * width + self.x
        return pixel + self.polarity.long() * (height * width) if channels else pixel


AnyEvents = TypeVar("AnyEvents", Events, DeviceEvents)
AnyColumn = NDArray[np.generic] | Tensor


def places(events: Events | DeviceEvents, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the first event at or after each time (us), whatever the shape of ``times``."""
    if isinstance(events, Events):
        return events.t.searchsorted(times)
    return torch.searchsorted(events.t, torch.from_numpy(times).to(events.t.device)).cpu().numpy()


def host_copy(events: Events | DeviceEvents) -> Events:
    """Give events as an event array: shared if they lie in the memory of the CPU, else copied there."""
    if (host := on_host(events)) is not None:
        return host
    return on_host(DeviceEvents.of(events, "cpu"))  # type: ignore[return-value] # they are there now


def host_cells(
    y_E: NDArray[np.int16], x_E: NDArray[np.int16], polarity_E: NDArray[np.uint8] | None, size: tuple[int, int]
) -> NDArray[np.int64]:
    """Number pixels, or channels and pixels, as ``DeviceEvents`` does, by numpy: several times as fast on a CPU."""
    cell = y_E.astype(np.int64)
    cell *= size[1]
    cell += x_E
    if polarity_E is not None:
        cell += polarity_E * np.int64(size[0] * size[1])
    return cell


def on_host(events: Events | DeviceEvents) -> Events | None:
    """Give events that lie in the memory of the CPU as an event array that shares it; None for others."""
    if isinstance(events, Events):
        return events
    if events.t.device.type != "cpu":
        return None
    return Events(events.t.numpy(), events.x.numpy(), events.y.numpy(), events.polarity.numpy(), events.size)


def add_up(cell_E: Tensor, weight_E: Tensor | None, num_cells: int) -> Tensor:
    """Sum the weights (each rounded to a multiple of 2^-32; None: 1) of the events of each cell, exactly.

    Integers are summed, so the sum is the same in any order, on any device, for any number of threads, as long as it
    stays below 2^21 in magnitude (beyond, float64 rounding of relative 2^-53 sets in).

    Returns: (num_cells,) float64.
    """
    if cell_E.device.type == "cpu":
        weights = None if weight_E is None else (weight_E.double() * _ONE).round().numpy()
        sums = np.bincount(cell_E.numpy(), weights=weights, minlength=num_cells).astype(np.float64)
        return torch.from_numpy(sums) if weights is None else torch.from_numpy(sums).div_(_ONE)
    return add_up_integers(cell_E, weight_E, num_cells)


def add_up_integers(cell_E: Tensor, weight_E: Tensor | None, num_cells: int) -> Tensor:
    """Do what ``add_up`` does by 64-bit integers, the form for accelerators, whose float sums depend on the order."""
    if weight_E is None:
        whole = torch.ones_like(cell_E)
        return torch.zeros(num_cells, dtype=torch.int64, device=cell_E.device).index_add_(0, cell_E, whole).double()
    whole = (weight_E.double() * _ONE).round().long()
    sums = torch.zeros(num_cells, dtype=torch.int64, device=cell_E.device).index_add_(0, cell_E, whole)
    return sums.double().div_(_ONE)


def latest(cell_E: Tensor, num_cells: int, depth: int) -> Tensor:
    """Find the last ``depth`` events of each cell, by their order in the array.

    Returns: (depth, num_cells) int64, indices of events, the latest first; -1 where a cell had fewer.
    """
    found = torch.full((depth * num_cells,), -1, dtype=torch.int64, device=cell_E.device)
    if not cell_E.numel():
        return found.view(depth, num_cells)
    cell, order = torch.sort(cell_E, stable=True)
    ends = add_up(cell, None, num_cells).long().cumsum(0)  # one past the last event of each cell
    back = ends[cell] - 1 - torch.arange(cell.numel(), device=cell.device)
    kept = back < depth
    found[back[kept] * num_cells + cell[kept]] = order[kept]
    return found.view(depth, num_cells)


def microseconds(time: float | str, where: str) -> int:
    """Read a time in ms, or with a unit, as whole microseconds."""
    return round(parse(time, "ms", where=where) * 1000)


def positive(time: float | str, where: str) -> int:
    """Read a time as microseconds. Raises: ConfigError below 1 us."""
    if (found := microseconds(time, where)) < 1:
        raise ConfigError(where, expected="a time of at least 1 us", got=repr(time))
    return found


def at_least(where: str, value: int, least: int) -> None:
    """Check a whole number. Raises: ConfigError below ``least``."""
    if value < least:
        raise ConfigError(where, expected=f"a number >= {least}", got=repr(value))


def first_time(events: Events | DeviceEvents, start: float | str | None) -> int:
    """Give the start of a window in us; None: at the first event, 0 without events."""
    if start is None:
        return int(events.t[0]) if len(events) else 0
    return microseconds(start, "start")


def window_of(
    events: Events | DeviceEvents, start: float | str | None, duration: float | str | None,
    *, least: int = 0, beyond: int = 0,
) -> tuple[int, int]:  # fmt: skip
    """Give start and span of a window in us.

    Args: least, beyond: without a duration it spans at least so much, and ends so much after the last event.
    """
    first = first_time(events, start)
    if duration is not None:
        return first, microseconds(duration, "duration")
    return first, max(int(events.t[-1]) + beyond - first, least) if len(events) else least


def _tensor(column: NDArray[np.generic] | Tensor) -> Tensor:
    if isinstance(column, Tensor):
        return column
    if not column.flags.writeable or not column.flags.c_contiguous:
        column = column.copy()  # torch shares neither read-only memory nor strides below 0
    return torch.from_numpy(column)
