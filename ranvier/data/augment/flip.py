"""Mirroring the picture, and reversing time."""

from dataclasses import dataclass

import numpy as np
import torch

from ranvier.data.augment.parts import check_probability, happens
from ranvier.data.columns import AnyEvents, DeviceEvents
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Mirror the picture left to right (x' = W - 1 - x) and top to bottom (y' = H - 1 - y), each with a probability.

    No event is lost, and the same flip twice gives the recording back. Raises: ConfigError unless both are in [0, 1].
    """

    horizontal: float = 0.5
    vertical: float = 0.0

    def __post_init__(self) -> None:
        check_probability("Flip.horizontal", self.horizontal)
        check_probability("Flip.vertical", self.vertical)

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events, mirrored or not: (E,)."""
        height, width = events.size
        x, y = events.x, events.y
        if happens(self.horizontal, generator):
            x = (width - 1) - x
        if happens(self.vertical, generator):
            y = (height - 1) - y
        return type(events)(events.t, x, y, events.polarity, events.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFlip:
    """Play the recording backwards with a probability: t' = t_first + t_last - t, ON and OFF swapped, order reversed.

    What brightened then darkens, hence the swap. Twice gives the recording back. Raises: ConfigError unless in [0, 1].
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability("TimeFlip.probability", self.probability)

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events, reversed or not: (E,)."""
        if not happens(self.probability, generator) or not len(events):
            return events
        if isinstance(events, DeviceEvents):
            back = events[torch.arange(len(events) - 1, -1, -1, device=events.t.device)]
            return DeviceEvents(events.t[0] + events.t[-1] - back.t, back.x, back.y, 1 - back.polarity, events.size)
        turned = events[np.arange(len(events))[::-1]]
        return Events(events.t[0] + events.t[-1] - turned.t, turned.x, turned.y, 1 - turned.polarity, events.size)
