"""Time surface: how long ago each pixel last fired.

Letters: T instants, C polarity, H W space, E events.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.data.columns import DeviceEvents, at_least, microseconds, positive, window_of
from ranvier.data.events import Events

_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSurface:
    """Time surfaces at T instants r_k = start + (k + 1) duration / T, k = 0 .. T - 1.

    S[k, p, y, x] = exp(-(r_k - t_last) / tau)             ("exponential")
                    max(0, 1 - (r_k - t_last) / tau)       ("linear")

    where t_last <= r_k is the latest event of polarity p at the pixel since the start; 0 where there was none.

    Source: Lagorce et al. 2017, IEEE TPAMI 39:1346 (HOTS), eq. 2-3; here for the whole sensor at given instants.
    Raises: ConfigError for a number, time or decay that makes no sense.
    """

    tau: float | str  # ms, or with a unit
    num: int = 1
    decay: Literal["exponential", "linear"] = "exponential"
    start: float | str | None = None  # ms; None: at the first event
    duration: float | str | None = None  # ms; None: to the last event

    def __post_init__(self) -> None:
        positive(self.tau, "TimeSurface.tau")
        at_least("TimeSurface.num", self.num, 1)
        if self.decay not in ("exponential", "linear"):
            raise ConfigError("TimeSurface.decay", expected="'exponential' or 'linear'", got=repr(self.decay))
        if self.duration is not None:
            positive(self.duration, "TimeSurface.duration")

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Return (T, 2, H, W) float32 between 0 and 1, on the device of the events."""
        events = DeviceEvents.of(events)
        height, width = events.size
        start, span = window_of(events, self.start, self.duration)
        events = events.between(start, start + span + 1)
        # The first instant that sees an event: the smallest k with (t - start) T <= (k + 1) span.
        instant = (((events.t - start) * self.num + span - 1) // max(span, 1) - 1).clamp_(0, self.num - 1)
        cell = instant * (2 * height * width) + events.cells()
        last = torch.full((self.num * 2 * height * width,), _NEVER, dtype=torch.int64, device=cell.device)
        last = last.scatter_reduce_(0, cell, events.t - start, "amax").view(self.num, 2, height, width)
        last = last.cummax(0).values
        seen = (
            torch.arange(1, self.num + 1, dtype=torch.float64, device=cell.device).view(-1, 1, 1, 1) * span / self.num
        )
        age = (seen - last) / microseconds(self.tau, "tau")
        surface = torch.exp(-age) if self.decay == "exponential" else (1 - age).clamp_(min=0)
        return surface.where(last != _NEVER, 0.0).to(torch.float32)
