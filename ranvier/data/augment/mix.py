"""Mixing two recordings: together, or one inside a box of the other."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ranvier.core.errors import ShapeError
from ranvier.data.augment.parts import check_probability
from ranvier.data.columns import AnyEvents, DeviceEvents
from ranvier.data.events import Events


class Mixed(NamedTuple):
    """A mixture and how much of it is the first recording: the weight of that one's label."""

    events: Events | DeviceEvents  # of the kind of those that were mixed
    share: float  # events of the first over all events of the mixture; 1 if it is empty


def merge(first: AnyEvents, second: AnyEvents) -> AnyEvents:
    """Put two recordings of one sensor together, by time; at one time the first comes first. No event is lost.

    Raises: ShapeError for sensors of two sizes.
    """
    _same_sensor("merge", first, second)
    if isinstance(first, DeviceEvents):
        times, index = torch.sort(torch.cat((first.t, second.t)), stable=True)
        pairs = ((first.x, second.x), (first.y, second.y), (first.polarity, second.polarity))
        xs, ys, polarities = (torch.cat(pair)[index] for pair in pairs)
        return DeviceEvents(times, xs, ys, polarities, first.size)
    order = np.argsort(np.concatenate((first.t, second.t)), kind="stable")
    t, x, y, polarity = (
        np.concatenate((getattr(first, name), getattr(second, name)))[order] for name in ("t", "x", "y", "polarity")
    )
    return Events(t, x, y, polarity, first.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Replace what lies in a box of space and time by what lies in the same box of another recording.

    The box has the share s of each axis, with s^3 uniform between 0 and ``most``, and a uniform place; times count
    from the first event of each recording, over the longer of the two durations.

    Source: Yun et al. 2019, arXiv:1905.04899 (CutMix), carried to events as in Shen et al. 2022, arXiv:2205.12054,
    who draw Gaussian blobs where we draw a box. The label is mixed by counts of events.
    Raises: ConfigError unless 0 <= most <= 1; ShapeError for sensors of two sizes.
    """

    most: float = 0.5  # of the volume

    def __post_init__(self) -> None:
        check_probability("Mix.most", self.most)

    def __call__(self, events: AnyEvents, other: AnyEvents, generator: torch.Generator) -> Mixed:
        """Return the mixture, sorted by time, and the share of ``events`` in it."""
        _same_sensor("Mix", events, other)
        volume, *place = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        side = (volume * self.most) ** (1 / 3)
        box = tuple(((1 - side) * at, (1 - side) * at + side) for at in place)
        span = max(events.duration, other.duration) + 1
        start = int(events.t[0]) if len(events) else int(other.t[0]) if len(other) else 0
        kept = events[~_inside(events, box, span)]
        came = other[_inside(other, box, span)]
        if len(came):
            came = type(came)(came.t - other.t[0] + start, came.x, came.y, came.polarity, came.size)
        whole = merge(kept, came)
        return Mixed(whole, len(kept) / len(whole) if len(whole) else 1.0)


Box = tuple[tuple[float, float], ...]  # (from, to) along t, y, x, as shares of the whole


def _inside(events: Events | DeviceEvents, box: Box, span: int) -> Any:
    first = events.t[0] if len(events) else 0
    inside: Any = True
    for at, whole, (low, high) in zip((events.t - first, events.y, events.x), (span, *events.size), box, strict=True):
        inside = (at >= math.ceil(low * whole)) & (at < math.ceil(high * whole)) & inside
    return inside


def _same_sensor(where: str, first: Events | DeviceEvents, second: Events | DeviceEvents) -> None:
    if first.size != second.size:
        raise ShapeError(where, expected=f"a second recording of {first.size}", got=str(second.size))
