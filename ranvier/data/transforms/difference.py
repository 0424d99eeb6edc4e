"""Down-sampling by differencing: only changes of the activity of a block of pixels are passed on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.data.columns import AnyEvents, DeviceEvents, at_least, host_copy, positive
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Each factor x factor pixels count their events in windows; a change of the count gives an event.

    d_k = n_k - n_{k-1}, n_{-1} = 0; if |d_k| > noise: one event of polarity [d_k > 0] at t_0 + (k + 1) window

    where n_k is the number of events of the block, of either polarity, with k window <= t - t_0 < (k + 1) window, and
    t_0 the time of the first event. With noise 0, a block that fires gives as many ups as steps up, and ends at rest:
    the window after its last event gives the OFF event of its return to 0.

    Source: after the differentiator of Ghosh et al. 2023, ICONS (insect-inspired down-sampling), and Rizzo et al. 2023,
    NICE. There an integrator comes first: apply ``Integrate`` before for that.
    Raises: ConfigError for numbers and times that make no sense.
    """

    window: float | str  # ms, or with a unit
    factor: int = 2
    noise: int = 0  # changes up to this are ignored

    def __post_init__(self) -> None:
        positive(self.window, "Difference.window")
        at_least("Difference.factor", self.factor, 1)
        at_least("Difference.noise", self.noise, 0)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        """Return the events of the smaller sensor, by time, then row, then column: (E',)."""
        if isinstance(events, DeviceEvents):  # by the CPU, wherever they lie: what is kept depends on what came before
            return DeviceEvents.of(self._down(host_copy(events)), events.t.device)
        return self._down(events)

    def _down(self, events: Events) -> Events:
        window = positive(self.window, "window")
        height, width = (-(-side // self.factor) for side in events.size)
        num_blocks = height * width
        first = events.t[0] if len(events) else 0
        block = (events.y.astype(np.int64) // self.factor) * width + events.x // self.factor
        filled, count = np.unique((events.t - first) // window * num_blocks + block, return_counts=True)
        # A count changes at windows with events and at the one after each of them; nowhere else.
        both = np.sort(np.concatenate((filled, filled + num_blocks)), kind="stable")  # two sorted runs: a merge
        changed = both[np.r_[True, both[1:] != both[:-1]]] if both.size else both
        change = _look_up(changed, filled, count) - _look_up(changed - num_blocks, filled, count)
        kept = np.abs(change) > self.noise
        cell, up = changed[kept], change[kept] > 0
        y, x = np.divmod(cell % num_blocks, width)
        t = first + (cell // num_blocks + 1) * window
        return Events(t, x.astype(np.int16), y.astype(np.int16), up.astype(np.uint8), (height, width))


def _look_up(
    wanted: NDArray[np.int64],
    keys: NDArray[np.int64],
    values: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Give the value of each wanted key, 0 where there is none; keys are sorted."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)
