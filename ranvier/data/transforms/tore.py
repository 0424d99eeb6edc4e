"""TORE volumes: the logarithm of the age of the last K events of each pixel.

Letters: K depth, C polarity, H W space, E events.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.data.columns import DeviceEvents, at_least, latest, microseconds, positive
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class TORE:
    """Time-ordered recent events at one instant.

    V[k, p, y, x] = max(0, log(1 + min(at - t_k, longest)) - log(1 + shortest))    (us)

    where t_k is the k-th latest event of polarity p at the pixel; where there is none its age is ``longest``.

    Source: Baldwin et al. 2022, IEEE TPAMI 45:2519, arXiv:2103.06108, eq. 3-4, with its bounds of 150 us and 5 s.
    Raises: ConfigError for numbers and times that make no sense.
    """

    depth: int = 4  # K
    shortest: float | str = 0.15  # ms: no age counts as less
    longest: float | str = 5000.0  # ms: nor as more
    at: float | str | None = None  # ms: the instant; later events are left out. None: that of the last event

    def __post_init__(self) -> None:
        at_least("TORE.depth", self.depth, 1)
        if positive(self.shortest, "TORE.shortest") >= positive(self.longest, "TORE.longest"):
            expected = f"a time below longest, {self.longest}"
            raise ConfigError("TORE.shortest", expected=expected, got=repr(self.shortest))

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Return (K, 2, H, W) float32, the latest first, on the device of the events."""
        events, at = up_to(DeviceEvents.of(events), self.at)
        shortest, longest = microseconds(self.shortest, "shortest"), microseconds(self.longest, "longest")
        index = latest(events.cells(), 2 * events.size[0] * events.size[1], self.depth)
        age = torch.full(index.shape, longest, dtype=torch.float64, device=index.device)
        there = index >= 0
        age[there] = (at - events.t[index[there]]).double().clamp_(max=longest)
        volume = (torch.log1p(age) - math.log1p(shortest)).clamp_(min=0)
        return volume.to(torch.float32).view(self.depth, 2, *events.size)


def up_to(events: DeviceEvents, at: float | str | None) -> tuple[DeviceEvents, int]:
    """Give the events with t <= at (ms; None: all) and the instant in us (None: that of the last event)."""
    if at is None:
        return events, int(events.t[-1]) if len(events) else 0
    instant = microseconds(at, "at")
    return events[: int(torch.searchsorted(events.t, instant, right=True))], instant
