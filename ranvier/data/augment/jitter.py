"""Jitter of the time stamps."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ranvier.core.errors import ConfigError
from ranvier.core.units import parse
from ranvier.data.columns import AnyEvents, DeviceEvents
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeJitter:
    """Move each event in time by a normal amount, t' = round(t + std * N(0, 1)), and sort anew.

    Events that would fall before the first or after the last one stay on that border, so that the recording keeps its
    bounds; none is lost. Events that come to the same time keep their order.

    Raises: ConfigError for a negative deviation.
    """

    std: float | str = 1.0  # ms, or with a unit ("50 us")

    def __post_init__(self) -> None:
        if not 0 <= parse(self.std, "ms", where="TimeJitter.std") < math.inf:
            raise ConfigError("TimeJitter.std", expected="a time >= 0", got=repr(self.std))

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events in their new order: (E,)."""
        if not len(events):
            return events
        normal = torch.randn(len(events), generator=generator, dtype=torch.float64)
        step = (normal * (parse(self.std, "ms") * 1000)).round_().long()
        if isinstance(events, DeviceEvents):
            there = (events.t + step.to(events.t.device)).clamp_(events.t[0], events.t[-1])
            new_t, index = torch.sort(there, stable=True)
            return DeviceEvents(new_t, events.x[index], events.y[index], events.polarity[index], events.size)
        t = np.clip(events.t + step.numpy(), events.t[0], events.t[-1])
        order = np.argsort(t, kind="stable")
        return Events(t[order], events.x[order], events.y[order], events.polarity[order], events.size)
