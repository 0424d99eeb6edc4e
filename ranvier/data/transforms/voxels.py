"""Voxel grid: each event shared between the two nearest bins of time.

Letters: B bins, C polarity, H W space, E events.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.data import passes
from ranvier.data.columns import DeviceEvents, at_least, host_cells, on_host, positive, window_of
from ranvier.data.events import Events

Polarity = Literal["signed", "split"]
_ONE = 1 << 32  # weights are whole multiples of 2^-32
_CHUNK = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Voxels:
    """Voxel grid, bilinear in time.

    V[b, y, x] = sum over events at (x, y) of p max(0, 1 - |b - t*|), t* = (B - 1) (t - t_0) / (t_N - t_0)

    with p = -1 or 1 ("signed"), or p = 1 and a channel for each polarity ("split": 0 OFF, 1 ON; the sum over all voxels
    is then the number of events, and over one polarity that of its events). A recording of one instant, or B = 1, lies
    in bin 0. Weights are multiples of 2^-32, so sums are exact and the same on every device.

    Source: Zhu et al. 2019, arXiv:1812.08156, eq. 1-3. With ``duration``, t_0 is ``start``, t_N the end, whatever the
    events; those with t < start or t > start + duration are left out.
    Raises: ConfigError for a number, time or polarity that makes no sense.
    """

    num_bins: int
    polarity: Polarity = "signed"
    start: float | str | None = None  # ms; None: at the first event
    duration: float | str | None = None  # ms; None: to the last event

    def __post_init__(self) -> None:
        at_least("Voxels.num_bins", self.num_bins, 1)
        if self.polarity not in ("signed", "split"):
            raise ConfigError("Voxels.polarity", expected="'signed' or 'split'", got=repr(self.polarity))
        if self.duration is not None:
            positive(self.duration, "Voxels.duration")

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Return (B, 1, H, W) signed, or (B, 2, H, W) split, float32, on the device of the events."""
        height, width = events.size
        start, span = window_of(events, self.start, self.duration)
        if self.duration is not None or self.start is not None:
            events = events.between(start, start + span + 1)
        channels = 2 if self.polarity == "split" else 1
        shape = (self.num_bins, channels, height, width)
        if (host := on_host(events)) is not None:
            if (filled := passes.voxels(host, start, span, self.num_bins, channels)) is not None:
                return torch.from_numpy(filled).view(shape)
            cell_E = host_cells(host.y, host.x, host.polarity if channels == 2 else None, host.size)
            polarity_E = None if channels == 2 else host.polarity
            bins = by_chunks(host.t - start, cell_E, polarity_E, self.num_bins, span, channels * height * width)
            return torch.from_numpy(bins.reshape(shape))
        there = DeviceEvents.of(events)
        cells = there.cells() if channels == 2 else there.pixels()
        polarity = None if channels == 2 else there.polarity
        return at_once(there.t - start, cells, polarity, self.num_bins, span, channels * height * width).view(shape)


def at_once(time_E: Tensor, cell_E: Tensor, polarity_E: Tensor | None, num_bins: int, span: int, size: int) -> Tensor:
    """Fill the bins with whole multiples of 2^-32: the form for accelerators, and the law for ``by_chunks``.

    Args: time_E: us since the start, from 0 to span. cell_E: below size. polarity_E: of 0 and 1, or None: all 1.
    Returns: (num_bins * size,) float32.
    """
    steps = max(num_bins - 1, 1)
    place_E = time_E * (num_bins - 1)
    low_E = torch.div(place_E, max(span, 1), rounding_mode="floor").clamp_(max=steps - 1)
    upper_E = ((place_E - low_E * span).double() * (_ONE / max(span, 1))).round_()
    sign_E = 1 if polarity_E is None else polarity_E.long() * 2 - 1
    bins = torch.zeros((steps + 1) * size, dtype=torch.int64, device=cell_E.device)
    bins.index_add_(0, cell_E + low_E * size, (_ONE - upper_E).long() * sign_E)
    bins.index_add_(0, cell_E + (low_E + 1) * size, upper_E.long() * sign_E)
    return (bins[: num_bins * size].double() / _ONE).float()


def by_chunks(
    time_E: NDArray[np.int64],
    cell_E: NDArray[np.int64],
    polarity_E: NDArray[np.uint8] | None,
    num_bins: int,
    span: int,
    size: int,
) -> NDArray[np.float32]:
    """Do what ``at_once`` does, faster on a CPU: events near in time fill bins that stay in the cache."""
    steps = max(num_bins - 1, 1)
    bins = np.zeros((steps + 1) * size)
    for first in range(0, len(time_E), _CHUNK):
        part = slice(first, first + _CHUNK)
        place = time_E[part] * (num_bins - 1)
        low = np.minimum(place // max(span, 1), steps - 1)
        upper = (place - low * span) * (_ONE / max(span, 1))
        np.rint(upper, out=upper)
        lower = _ONE - upper
        if polarity_E is not None:
            sign = polarity_E[part] * 2.0 - 1
            upper *= sign
            lower *= sign
        begin = int(low[0]) * size  # events are sorted, so no bin before it is touched
        cell = cell_E[part] + (low * size - begin)
        for weight, at in ((lower, begin), (upper, begin + size)):
            found = np.bincount(cell, weight)
            bins[at : at + len(found)] += found
    bins /= _ONE
    return bins[: num_bins * size].astype(np.float32)
