"""What augmentations share: their form, chains and choices of them, and what is checked alike.

The same events and the same generator state give the same result, for event arrays and for ``DeviceEvents`` on any
device: the generator is one of the CPU, and what it draws decides. Events that leave the sensor are dropped.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.columns import AnyEvents, DeviceEvents
from ranvier.data.events import Events


class Augmentation(Protocol):
    """Anything that turns events into other events with the help of a generator."""

    def __call__(self, events: AnyEvents, generator: torch.Generator, /) -> AnyEvents:
        """Return the changed events."""
        ...


@dataclass(frozen=True, slots=True)
class Chain:
    """Several augmentations, one after the other."""

    parts: tuple[Augmentation, ...]

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Apply each part in order."""
        for part in self.parts:
            events = part(events, generator)
        return events


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several augmentations, each as likely as the others.

    OneOf((Dropout(), DropTime(), DropArea())) is EventDrop: Gu et al. 2021, arXiv:2106.05836.
    Raises: ConfigError without parts.
    """

    parts: tuple[Augmentation, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("OneOf.parts", expected="at least one augmentation", got="none")

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Draw a part and apply it."""
        return self.parts[int(torch.randint(len(self.parts), (), generator=generator))](events, generator)


def check_probability(where: str, value: float) -> None:
    """Raise ConfigError unless 0 <= value <= 1."""
    if not 0 <= value <= 1:
        raise ConfigError(where, expected="a probability", got=repr(value))


def happens(probability: float, generator: torch.Generator) -> bool:
    """Draw whether something of this probability happens."""
    return float(torch.rand((), generator=generator)) < probability


def chosen(events: AnyEvents, kept_E: torch.Tensor) -> AnyEvents:
    """Keep the events that are marked, by a mask on the CPU."""
    if isinstance(events, Events):
        return events[kept_E.numpy()]
    return events[kept_E.to(events.t.device)]


def on_sensor(events: AnyEvents, x: Any, y: Any) -> AnyEvents:
    """Give events their new places, of any kind of number; those that left the sensor are dropped."""
    height, width = events.size
    kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x[kept], y[kept]
    if isinstance(events, DeviceEvents):
        return DeviceEvents(events.t[kept], x.short(), y.short(), events.polarity[kept], events.size)
    return Events(events.t[kept], x.astype(np.int16), y.astype(np.int16), events.polarity[kept], events.size)
