"""What stood around each event just before it: the search under the filters that ask for company.

The extension walks once through the events; the numpy forms search, and say what is right.
"Before" is the order of the array, so of two events at one time the first is in the past of the second.
Letters: E events, K neighbouring pixels.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.data import passes
from ranvier.data.columns import AnyEvents, DeviceEvents, on_host
from ranvier.data.events import Events


def supported(events: AnyEvents, *, window: int, num: int) -> AnyEvents:
    """Keep an event if at least ``num`` of the 8 pixels around fired before, t_i - t_last <= window (us)."""
    host = on_host(events)
    if host is None:
        assert isinstance(events, DeviceEvents)
        return events[_fired_there(events, window) >= num]
    kept = passes.supported(host, window, num)
    if kept is None:
        support = np.zeros(len(host), np.int64)
        for fired in fired_around(host, window=window):
            support += fired
        kept = support >= num
    return _kept(events, kept)


def dense(events: AnyEvents, *, radius: int, window: int, num: int) -> AnyEvents:
    """Keep an event if at least ``num`` events of other pixels lie before it, within ``radius`` and ``window`` (us)."""
    host = on_host(events)
    if host is None:
        assert isinstance(events, DeviceEvents)
        return events[_counts_there(events, radius, window) >= num]
    kept = passes.dense(host, window, radius, num)
    if kept is None:
        density = np.zeros(len(host), np.int64)
        for count in counts_around(host, radius=radius, window=window):
            density += count
        kept = density >= num
    return _kept(events, kept)


def _kept(events: AnyEvents, kept: NDArray[np.bool_]) -> AnyEvents:
    return events[kept] if isinstance(events, Events) else events[torch.from_numpy(kept)]


def counts_around(events: Events, *, radius: int, window: int) -> Iterator[NDArray[np.int64]]:
    """Count the past events of each neighbouring pixel with t_i - t_j <= window (us), for each event i.

    Yields: (E,) int64 for each of the (2 radius + 1)^2 - 1 neighbours, the pixel itself left out; 0 beyond the border.
    """
    oldest = np.searchsorted(events.t, events.t - min(window, 1 << 62))
    for keys, order, base in _neighbours(events, radius):
        found = np.empty(len(events), np.int64)
        found[order] = np.searchsorted(keys, base + order) - np.searchsorted(keys, base + oldest[order])
        yield found


def fired_around(events: Events, *, window: int) -> Iterator[NDArray[np.bool_]]:
    """Tell whether each of the 8 neighbouring pixels has a past event with t_i - t_j <= window (us), for each event i.

    Yields: (E,) bool for each neighbour: its latest event is found, not all, which takes half the searches.
    """
    for keys, order, base in _neighbours(events, 1):
        before = np.searchsorted(keys, base + order) - 1  # the latest event of this pixel, or one of another pixel
        latest = keys[before] - base
        found = np.empty(len(events), bool)
        found[order] = (latest >= 0) & (latest < len(events)) & (before >= 0)
        found[order] &= events.t[order] - events.t[latest.clip(0, len(events) - 1)] <= window
        yield found


def _neighbours(
    events: Events, radius: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield for each neighbour (keys, order, base).

    keys: (E,) pixel * E + index, sorted. order: (E,) events in that order: queries in the order of the pixels walk
    through the keys once. base: (E,) neighbour of the pixel * E, so that base + i is the key event i would have there.
    """
    wide = events.size[1] + 2 * radius  # a margin without events, so that neighbours beyond the border need no care
    pixel = (events.y.astype(np.int64) + radius) * wide + events.x + radius
    order = np.argsort(pixel, kind="stable")
    pixel = pixel[order]
    keys = pixel * len(events) + order
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy or dx:
                yield keys, order, (pixel + dy * wide + dx) * len(events)


def _counts_there(events: DeviceEvents, radius: int, window: int) -> Tensor:
    """Do what ``counts_around`` does on an accelerator, summed over the neighbours: (E,)."""
    found = torch.zeros(len(events), dtype=torch.int64, device=events.t.device)
    oldest = torch.searchsorted(events.t, events.t - min(window, 1 << 62))
    for keys, order, base in _neighbours_there(events, radius):
        found[order] += torch.searchsorted(keys, base + order) - torch.searchsorted(keys, base + oldest[order])
    return found


def _fired_there(events: DeviceEvents, window: int) -> Tensor:
    """Do what ``fired_around`` does on an accelerator, summed over the neighbours: (E,)."""
    found = torch.zeros(len(events), dtype=torch.int64, device=events.t.device)
    for keys, order, base in _neighbours_there(events, 1):
        before = torch.searchsorted(keys, base + order) - 1
        latest = keys[before.clamp(min=0)] - base
        there = (latest >= 0) & (latest < len(events)) & (before >= 0)
        age = events.t[order] - events.t[latest.clamp(0, len(events) - 1)]
        found[order] += there & (age <= min(window, 1 << 62))
    return found


def _neighbours_there(events: DeviceEvents, radius: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield what ``_neighbours`` does."""
    if not len(events):
        return
    wide = events.size[1] + 2 * radius
    pixel, order = torch.sort((events.y.long() + radius) * wide + events.x + radius, stable=True)
    keys = pixel * len(events) + order
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy or dx:
                yield keys, order, (pixel + dy * wide + dx) * len(events)
