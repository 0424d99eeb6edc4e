"""Cutting a window out of the picture."""

from dataclasses import dataclass

import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.data.columns import AnyEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """Keep a window of the sensor, whose size the events have afterwards; its place is drawn, uniform, or the middle.

    x' = x - x0, y' = y - y0 for x0 <= x < x0 + width, y0 <= y < y0 + height.

    Raises: ConfigError for a size below 1; ShapeError if the window is larger than the sensor.
    """

    size: tuple[int, int]  # (H, W) of the window
    centre: bool = False  # the window in the middle of the sensor; nothing is drawn

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise ConfigError("Crop.size", expected="a height and width >= 1", got=repr(self.size))

    def __call__(self, events: AnyEvents, generator: torch.Generator | None = None) -> AnyEvents:
        """Return the events inside: (E',), E' <= E. A generator is needed unless ``centre``."""
        room = [whole - part for whole, part in zip(events.size, self.size, strict=True)]
        if min(room) < 0:
            got = f"a window of {self.size[0]} x {self.size[1]} on {events.size[0]} x {events.size[1]}"
            raise ShapeError("Crop", expected="a window no larger than the sensor", got=got)
        if self.centre:
            top, left = (side // 2 for side in room)
        elif generator is None:
            raise ConfigError("Crop", expected="a generator, which draws the place", got="None", mend="Or centre=True.")
        else:
            top, left = (int(torch.randint(side + 1, (), generator=generator)) for side in room)
        x, y = events.x - left, events.y - top
        kept = (x >= 0) & (x < self.size[1]) & (y >= 0) & (y < self.size[0])
        return type(events)(events.t[kept], x[kept], y[kept], events.polarity[kept], self.size)
