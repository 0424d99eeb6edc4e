"""HATS: histograms of averaged time surfaces, one for each cell of the picture.

Letters: N cells along y, M cells along x, P polarity, R radius, E events.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data import passes
from ranvier.data.columns import DeviceEvents, add_up, at_least, microseconds, on_host, positive
from ranvier.data.events import Events

_PAIRS = 1 << 20  # pairs of events looked at together: bounds the memory, not the result
_ONE = 1 << 32  # sums are of multiples of 2^-32
_REACH = 23  # exp(-23) rounds to 0 times 2^-32
_TABLE = 1 << 22  # ages


@dataclass(frozen=True, slots=True, kw_only=True)
class HATS:
    """Averages, over the events of each cell of K x K pixels, of the time surface each event sees about itself.

    T_i[dy, dx] = sum over events j before i, in its cell, of its polarity, with 0 < t_i - t_j <= window, at
                  (x_i + dx, y_i + dy), |dx|, |dy| <= R, of exp(-(t_i - t_j) / tau)
    H[cell, p]  = mean of T_i over the events i of the cell of polarity p; 0 where there is none

    Source: Sironi et al. 2018, arXiv:1803.07913, eq. 4-7 (local memory: neighbours in other cells are not seen).
    Time grows with the number of pairs of events of one cell and polarity within the window; memory does not.
    Raises: ConfigError for numbers and times that make no sense.
    """

    cell: int = 10  # K, pixels; cells at the right and bottom may be cut
    radius: int = 3  # R, pixels
    tau: float | str = 0.5  # ms, or with a unit
    window: float | str = 100.0  # ms: the memory of a cell

    def __post_init__(self) -> None:
        at_least("HATS.cell", self.cell, 1)
        at_least("HATS.radius", self.radius, 0)
        positive(self.tau, "HATS.tau")
        positive(self.window, "HATS.window")

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Return (N, M, 2, 2 R + 1, 2 R + 1) float32, N = ceil(H / K), M = ceil(W / K), on the device of the events."""
        rows, columns = (-(-side // self.cell) for side in events.size)
        side, tau = 2 * self.radius + 1, microseconds(self.tau, "tau")
        window = microseconds(self.window, "window")
        if (host := on_host(events)) is not None and (table := _weights(tau, window)) is not None:
            found = passes.hats(host, self.cell, self.radius, table)
            if found is not None:
                averages = (found[0] / np.maximum(found[1], 1)[:, None, None]).astype(np.float32)
                return torch.from_numpy(averages).view(rows, columns, 2, side, side)
        events = DeviceEvents.of(events)
        x, y = events.x.long(), events.y.long()
        group = ((y // self.cell) * columns + x // self.cell) * 2 + events.polarity
        num_groups = rows * columns * 2
        total = torch.zeros(num_groups * side * side, dtype=torch.float64, device=x.device)
        if len(events):
            group, order = torch.sort(group, stable=True)
            x, y, t = x[order], y[order], events.t[order]
            for later, earlier in _pairs(group, t, window):
                dx, dy = x[earlier] - x[later] + self.radius, y[earlier] - y[later] + self.radius
                near = (dx >= 0) & (dx < side) & (dy >= 0) & (dy < side)
                later, earlier = later[near], earlier[near]
                place = (group[later] * side + dy[near]) * side + dx[near]
                weight = torch.exp((t[earlier] - t[later]).double() / tau)
                total += add_up(place, weight, total.numel())
        count = add_up(group, None, num_groups).clamp_(min=1)
        mean = total.view(num_groups, side * side) / count[:, None]
        return mean.to(torch.float32).view(rows, columns, 2, side, side)


def _weights(tau: int, window: int) -> NDArray[np.float64] | None:
    """Tabulate exp(-age / tau) for each age in us, rounded to multiples of 2^-32 as ``add_up`` does; 0 at age 0.

    Returns: (ages,), as far as the window and the weights reach; None for a table of more than 32 MiB.
    """
    num = min(window, _REACH * tau) + 1
    if num > _TABLE:
        return None
    weight = torch.exp(-torch.arange(num, dtype=torch.float64) / tau).mul_(_ONE).round_().div_(_ONE)
    weight[0] = 0  # events of one time do not see each other
    found: NDArray[np.float64] = weight.numpy()
    return found


def _pairs(group_E: Tensor, t_E: Tensor, window: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (later, earlier): the pairs of events of one group, which lie together by time, 0 < t_i - t_j <= window."""
    instants, instant = torch.unique(t_E, return_inverse=True)  # ranks, so that the keys below cannot overflow
    base = group_E * (len(instants) + 1)
    keys = base + instant
    first = torch.searchsorted(keys, base + torch.searchsorted(instants, t_E - window))  # the earliest partner
    num = torch.searchsorted(keys, keys) - first  # partners are strictly earlier
    ends = num.cumsum(0)
    done, at, total = 0, 0, int(ends[-1])
    while done < total:
        stop = max(at + 1, int(torch.searchsorted(ends, done + _PAIRS, right=True)))
        some = num[at:stop]
        later = torch.repeat_interleave(torch.arange(at, stop, device=some.device), some)
        begin = torch.repeat_interleave(ends[at:stop] - some, some)
        earlier = first[later] + (torch.arange(done, done + later.numel(), device=some.device) - begin)
        yield later, earlier
        done, at = int(ends[stop - 1]), stop
