"""What stood around each event just before it: the search under the filters that ask for company.

"Before" is the order of the array, so of two events at one time the first is in the past of the second.
Letters: E events, K neighbouring pixels.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranvier.data.events import Events


def counts_around(events: Events, *, radius: int, window: int) -> Iterator[NDArray[np.int64]]:
    """Count the past events of each neighbouring pixel with t_i - t_j <= window (us), for each event i.

    Yields: (E,) int64 for each of the (2 radius + 1)^2 - 1 neighbours, the pixel itself left out; 0 beyond the border.
    """
    wide = events.size[1] + 2 * radius  # a margin without events, so that neighbours beyond the border need no care
    pixel = (events.y.astype(np.int64) + radius) * wide + events.x + radius
    total = len(events)
    order = np.argsort(pixel, kind="stable")
    keys = pixel[order] * total + order  # sorted: by pixel, then by place in the array
    now = np.arange(total)
    oldest = np.searchsorted(events.t, events.t - window)
    # Queries in the order of the pixels walk through the keys once instead of jumping about in them.
    pixel, now, oldest = pixel[order], now[order], oldest[order]
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if not (dy or dx):
                continue
            base = (pixel + dy * wide + dx) * total
            found = np.empty(total, np.int64)
            found[order] = np.searchsorted(keys, base + now) - np.searchsorted(keys, base + oldest)
            yield found
