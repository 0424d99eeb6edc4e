"""Dropping all events of a stretch of time, or of a rectangle of the picture."""

import math
from dataclasses import dataclass

import torch

from ranvier.data.augment.parts import check_probability
from ranvier.data.columns import AnyEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTime:
    """Drop the events of one stretch of time: start <= t < start + share * duration.

    The share is uniform between 0 and ``most``, the start such that the stretch lies inside the recording.

    Source: Gu et al. 2021, arXiv:2106.05836 (drop by time). Raises: ConfigError unless 0 <= most <= 1.
    """

    most: float = 0.3  # of the duration

    def __post_init__(self) -> None:
        check_probability("DropTime.most", self.most)

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events that are kept: (E',), E' <= E."""
        share, place = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        if not len(events):
            return events
        span = (events.duration + 1) * share * self.most
        start = int(events.t[0]) + place * (events.duration + 1 - span)
        return events[(events.t < math.ceil(start)) | (events.t >= math.ceil(start + span))]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropArea:
    """Drop the events of one rectangle of the picture, whose sides are the same share of those of the sensor.

    The share of the area is uniform between 0 and ``most``; sides are rounded to whole pixels; the place is uniform.

    Source: Gu et al. 2021, arXiv:2106.05836 (drop by area). Raises: ConfigError unless 0 <= most <= 1.
    """

    most: float = 0.25  # of the area

    def __post_init__(self) -> None:
        check_probability("DropArea.most", self.most)

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events that are kept: (E',), E' <= E."""
        share, *place = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        sides = [round(math.sqrt(share * self.most) * whole) for whole in events.size]
        top, left = (
            math.floor(u * (whole - side + 1)) for u, whole, side in zip(place, events.size, sides, strict=True)
        )
        inside_y = (events.y >= top) & (events.y < top + sides[0])
        return events[~(inside_y & (events.x >= left) & (events.x < left + sides[1]))]
