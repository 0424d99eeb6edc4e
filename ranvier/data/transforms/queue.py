"""Event queue: time and polarity of the last K events of each pixel.

Letters: K depth, H W space, E events.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.data.columns import DeviceEvents, at_least, latest
from ranvier.data.events import Events
from ranvier.data.transforms.tore import up_to


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQueue:
    """The last K events of each pixel at one instant, whatever their polarity, the latest first.

    Q[k, 0, y, x] = at - t_k, the age in ms        Q[k, 1, y, x] = -1 OFF, 1 ON, 0 where there is no such event

    Source: Tulyakov et al. 2019, ICCV, "Learning an event sequence embedding for dense event-based deep stereo",
    section 3.1 (first-in first-out queues at each location). The age of no event is 0.
    Raises: ConfigError for a depth below 1.
    """

    depth: int = 7  # K, as in the paper
    at: float | str | None = None  # ms: the instant; later events are left out. None: that of the last event

    def __post_init__(self) -> None:
        at_least("EventQueue.depth", self.depth, 1)

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Return (K, 2, H, W) float32, on the device of the events."""
        events, at = up_to(DeviceEvents.of(events), self.at)
        index = latest(events.pixels(), events.size[0] * events.size[1], self.depth)
        there = index >= 0
        found = torch.zeros(self.depth, 2, index.shape[1], dtype=torch.float64, device=index.device)
        found[:, 0][there] = (at - events.t[index[there]]).double() / 1000
        found[:, 1][there] = events.polarity[index[there]].double() * 2 - 1
        return found.to(torch.float32).view(self.depth, 2, *events.size)
