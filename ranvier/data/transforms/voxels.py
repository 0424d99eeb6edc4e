"""Voxel grid: each event shared between the two nearest bins of time.

Letters: B bins, C polarity, H W space, E events.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.data.columns import DeviceEvents, add_up, at_least, first_time, microseconds, positive
from ranvier.data.events import Events

Polarity = Literal["signed", "split"]


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
        events = DeviceEvents.of(events)
        height, width = events.size
        start = first_time(events, self.start)
        if self.duration is not None:
            span = microseconds(self.duration, "duration")
        else:
            span = max(int(events.t[-1]) - start, 0) if len(events) else 0
        events = events.between(start, start + span + 1)
        channels = 2 if self.polarity == "split" else 1
        place = (events.t - start).double() * (self.num_bins - 1) / max(span, 1)
        low = place.floor().clamp_(0, max(self.num_bins - 2, 0))
        upper = ((place - low).clamp_(0, 1) * (1 << 32)).round_().div_(1 << 32)  # so that both weights are exact
        first = events.cells() if channels == 2 else events.pixels()
        bin_size = channels * height * width
        cell = first + low.long() * bin_size
        sign = 1.0 if channels == 2 else events.polarity.double() * 2 - 1
        total = add_up(cell, (1 - upper) * sign, self.num_bins * bin_size)
        if self.num_bins > 1:
            total += add_up(cell + bin_size, upper * sign, self.num_bins * bin_size)
        return total.to(torch.float32).view(self.num_bins, channels, height, width)
