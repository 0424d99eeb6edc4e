"""Affine maps of the picture: move, turn, stretch, slant."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.augment.parts import on_sensor
from ranvier.data.columns import AnyEvents, DeviceEvents


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

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return moved events, in the same order; (E',) with E' <= E."""
        a, b, c, d, e = (2 * torch.rand(5, generator=generator, dtype=torch.float64) - 1).tolist()
        if not (self.angle or self.scale or self.shear):
            most = int(self.shift)
            dx, dy = (math.floor((u + 1) / 2 * (2 * most + 1)) - most for u in (a, b))
            return on_sensor(events, events.x + dx, events.y + dy)
        turn, size, slant = math.radians(c * self.angle), 1 + d * self.scale, e * self.shear
        cos, sin = size * math.cos(turn), size * math.sin(turn)
        height, width = events.size
        on_device = isinstance(events, DeviceEvents)
        rounded: Any = torch.round if on_device else np.rint  # halves to even, both
        x: Any = events.x
        y: Any = events.y
        if on_device:  # numpy does so by itself
            x, y = x.double(), y.double()
        x, y = x - (width - 1) / 2, y - (height - 1) / 2
        x = x + slant * y
        new_x = rounded(cos * x - sin * y + (width - 1) / 2 + a * self.shift)
        new_y = rounded(sin * x + cos * y + (height - 1) / 2 + b * self.shift)
        return on_sensor(events, new_x, new_y)
