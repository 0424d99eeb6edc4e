"""The comparator of a pixel while its input runs along a line: when does it fire?

Letters: N pixels, E events.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_SLACK = 1e-9  # of a threshold: a level that was meant to be reached is reached


class Lines(NamedTuple):
    """Pixels whose input grows by ``slope`` from ``begin`` to ``end``."""

    slope: Tensor  # (N,) per us
    begin: Tensor  # (N,) us
    end: Tensor  # (N,) us


class Comparators(NamedTuple):
    """What changes at an event."""

    level: Tensor  # (N,) input above the level that is memorised
    until: Tensor  # (N,) us; held in reset before


class Fired(NamedTuple):
    """Events, those of a pixel together and by time."""

    pixel: Tensor  # (E,) int64, index into the pixels given
    time: Tensor  # (E,) float64, us
    polarity: Tensor  # (E,) uint8


def advance(
    pixels: Comparators, lines: Lines, on: Tensor, off: Tensor, *, refractory: float
) -> tuple[Comparators, Fired]:
    """Run pixels along their lines, exactly.

    A pixel fires when its level reaches +on or -off; it is then held in reset, level 0, for ``refractory`` us, and goes
    on from there. So the first event comes at t_1 = begin + (threshold - level) / slope, the others every
    threshold / |slope| + refractory.

    Returns: the pixels at the ends of their lines, and the events with begin < t <= end.
    """
    start = torch.minimum(torch.maximum(pixels.until, lines.begin), lines.end)
    level = torch.where(pixels.until > lines.begin, 0.0, pixels.level)
    after = level + lines.slope * (lines.end - start)
    rising = lines.slope > 0
    threshold = torch.where(rising, on, -off)
    crossed = torch.nonzero((after / threshold >= 1 - _SLACK) & (lines.slope != 0)).squeeze(1)
    slope, threshold, end = lines.slope[crossed], threshold[crossed], lines.end[crossed]
    period = threshold / slope + refractory
    first = torch.minimum(start[crossed] + (threshold - level[crossed]) / slope, end)
    num = ((end - first) / period + _SLACK).floor().long() + 1
    last = torch.minimum(first + (num - 1) * period, end)
    until, after = pixels.until.clone(), after.clone()
    until[crossed] = last + refractory
    after[crossed] = slope * (end - last - refractory).clamp(min=0)
    # The n-th event of each pixel, without a loop.
    offset = num.cumsum(0) - num
    which = torch.repeat_interleave(torch.arange(len(crossed), device=num.device), num)
    nth = torch.arange(len(which), device=num.device) - offset[which]
    time = torch.minimum(first[which] + nth * period[which], end[which])
    pixel = crossed[which]
    return Comparators(after, until), Fired(pixel, time, rising[pixel].to(torch.uint8))
