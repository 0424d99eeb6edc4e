"""Spike trains of recorded neurons, one after the other in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.sets import arrays


@dataclass(frozen=True, slots=True, eq=False)
class Trains:
    """Spike trains; unit i fired at the times ``trains[i]``, ms."""

    times: NDArray[np.float64]  # (S,) ms, of all units
    offsets: NDArray[np.int64]  # (N + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self.times[self.offsets[index] : self.offsets[index + 1]]

    def counts(self, edges: NDArray[np.float64]) -> NDArray[np.int64]:
        """Count the spikes of each unit between edges (T + 1,), ms: (T, N); one on an edge counts after it."""
        found = [np.diff(np.searchsorted(self[unit], edges)) for unit in range(len(self))]
        return np.stack(found, 1) if found else np.zeros((len(edges) - 1, 0), np.int64)


def trains(path: Path, pack: Mapping[str, NDArray[Any]]) -> Trains:
    """Make spike trains of ``spike_times`` (s) and ``offsets``.

    Raises: FormatError if the offsets do not fit, or a train is not sorted or not finite.
    """
    times = 1e3 * pack["spike_times"].astype(np.float64)
    offsets = arrays.check_offsets(path, pack["offsets"], len(times))
    back = np.diff(times) < 0
    inner = offsets[1:-1]
    back[inner[(inner > 0) & (inner < len(times))] - 1] = False  # where another unit begins
    if back.any() or not np.isfinite(times).all():
        raise FormatError(f"{path}: spike_times", expected="finite times that rise within each unit", got="others")
    return Trains(times, offsets)


SPIKES: Mapping[str, tuple[str, int]] = {"spike_times": ("f", 1), "offsets": (arrays.INTEGERS, 1)}
