"""Augmentation of events: frozen descriptions, called with events and a generator that decides everything.

The same events and the same generator state give the same result. Events that leave the sensor are dropped.
"""

import math
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """Move, turn, stretch and slant the picture by random amounts about the middle of the sensor, with whole pixels.

    (x', y') = round(scale * R(angle) * S(shear) * (x, y) + shift); each amount is uniform between minus and plus the
    number given (scale: between 1 - scale and 1 + scale). With only a shift, it is drawn as a whole number of pixels.

    Raises: ConfigError for negative amounts or a scale of 1 or more.
    """

    shift: float = 0.0  # pixels, along each axis
    angle: float = 0.0  # degrees
    scale: float = 0.0  # relative; the same for both axes
    shear: float = 0.0  # pixels of x per pixel of y

    def __post_init__(self) -> None:
        for name in ("shift", "angle", "scale", "shear"):
            if not 0 <= getattr(self, name) < (1 if name == "scale" else math.inf):
                expected = "an amount >= 0" + (" and < 1" if name == "scale" else "")
                raise ConfigError(f"Affine.{name}", expected=expected, got=repr(getattr(self, name)))

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Return moved events, in the same order; (E',) with E' <= E."""
        a, b, c, d, e = (2 * torch.rand(5, generator=generator, dtype=torch.float64) - 1).tolist()
        if not (self.angle or self.scale or self.shear):
            most = int(self.shift)
            dx, dy = (math.floor((u + 1) / 2 * (2 * most + 1)) - most for u in (a, b))
            return _on_sensor(events, events.x + np.int16(dx), events.y + np.int16(dy))
        turn, size, slant = math.radians(c * self.angle), 1 + d * self.scale, e * self.shear
        cos, sin = size * math.cos(turn), size * math.sin(turn)
        height, width = events.size
        x, y = events.x - (width - 1) / 2, events.y - (height - 1) / 2
        x = x + slant * y
        new_x = np.rint(cos * x - sin * y + (width - 1) / 2 + a * self.shift)
        new_y = np.rint(sin * x + cos * y + (height - 1) / 2 + b * self.shift)
        return _on_sensor(events, new_x, new_y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Drop each event with a probability that is itself drawn, uniform between 0 and ``most``.

    Raises: ConfigError unless 0 <= most <= 1.
    """

    most: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.most <= 1:
            raise ConfigError("Dropout.most", expected="a probability", got=repr(self.most))

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Return the events that are kept."""
        probability = self.most * torch.rand((), generator=generator)
        return events[(torch.rand(len(events), generator=generator) >= probability).numpy()]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarityFlip:
    """Swap ON and OFF of the whole recording with a probability.

    Raises: ConfigError unless 0 <= probability <= 1.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError("PolarityFlip.probability", expected="a probability", got=repr(self.probability))

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Return the events, or their opposite."""
        if float(torch.rand((), generator=generator)) >= self.probability:
            return events
        return Events(events.t, events.x, events.y, 1 - events.polarity, events.size)


@dataclass(frozen=True, slots=True)
class Chain:
    """Several augmentations, one after the other."""

    parts: tuple[Augmentation, ...]

    def __call__(self, events: Events, generator: torch.Generator) -> Events:
        """Apply each part in order."""
        for part in self.parts:
            events = part(events, generator)
        return events


def _on_sensor(events: Events, x: NDArray[Any], y: NDArray[Any]) -> Events:
    height, width = events.size
    kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Events(
        events.t[kept], x[kept].astype(np.int16), y[kept].astype(np.int16), events.polarity[kept], events.size
    )
