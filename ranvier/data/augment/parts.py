"""What augmentations share: their form, chains and choices of them, and what is checked alike.

The same events and the same generator state give the same result. Events that leave the sensor are dropped.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError
from ranvier.data.events import Events


class Augmentation(Protocol):
    """Anything that turns events into other events with the help of a generator."""

    def __call__(self, events: Events, generator: torch.Generator, /) -> Events:
        """Return the changed events."""
        ...


@dataclass(frozen=True, slots=True)
class Chain:
    """Several augmentations, one after the other."""

    parts: tuple[Augmentation, ...]

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
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

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Draw a part and apply it."""
        return self.parts[int(torch.randint(len(self.parts), (), generator=generator))](events, generator)


def check_probability(where: str, value: float) -> None:
    """Raise ConfigError unless 0 <= value <= 1."""
    if not 0 <= value <= 1:
        raise ConfigError(where, expected="a probability", got=repr(value))


def happens(probability: float, generator: torch.Generator) -> bool:
    """Draw whether something of this probability happens."""
    return float(torch.rand((), generator=generator)) < probability


def on_sensor(events: Events, x: NDArray[Any], y: NDArray[Any]) -> Events:
    """Give events their new places; those that left the sensor are dropped."""
    height, width = events.size
    kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Events(
        events.t[kept], x[kept].astype(np.int16), y[kept].astype(np.int16), events.polarity[kept], events.size
    )
