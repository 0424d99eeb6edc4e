"""Down-sampling by integration: pixels that share a counter, which fires as the pixels of a smaller sensor would."""

from dataclasses import dataclass

import numpy as np

from ranvier.data.columns import AnyEvents, DeviceEvents, at_least, host_copy
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrate:
    """Each factor x factor pixels add their polarities; at +threshold they give an ON event, at -threshold an OFF.

    a <- a + p (p = -1 or 1); if |a| = threshold: event of polarity sign(a) at the time of the input event, a <- 0

    Conserved in each block: sum of input polarities = threshold * sum of output polarities + rest, |rest| < threshold.
    With threshold 1 no event is lost, only resolution. The sensor becomes ceil(H / factor) x ceil(W / factor).

    Source: Ghosh et al. 2023, ICONS (insect-inspired down-sampling), and Rizzo et al. 2023, NICE; the integrator.
    Raises: ConfigError for numbers below 1.
    """

    factor: int = 2
    threshold: int = 1

    def __post_init__(self) -> None:
        at_least("Integrate.factor", self.factor, 1)
        at_least("Integrate.threshold", self.threshold, 1)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        """Return the events of the smaller sensor, in the order of those that caused them: (E',), E' <= E."""
        if isinstance(events, DeviceEvents):  # by the CPU, wherever they lie: what is kept depends on what came before
            return DeviceEvents.of(self._down(host_copy(events)), events.t.device)
        return self._down(events)

    def _down(self, events: Events) -> Events:
        height, width = (-(-side // self.factor) for side in events.size)
        x, y = events.x // np.int16(self.factor), events.y // np.int16(self.factor)
        small = Events(events.t, x, y, events.polarity, (height, width))
        if self.threshold == 1 or not len(events):
            return small
        block = y.astype(np.int64) * width + x
        order = np.argsort(block, kind="stable")
        block = block[order]
        first = np.flatnonzero(np.r_[True, block[1:] != block[:-1]])
        # Steps are of one unit, so a reset to 0 at +-threshold fires whenever the running sum of the block reaches
        # a multiple of the threshold other than the multiple reached last, which is 0 at the start.
        walk = np.cumsum(events.polarity[order].astype(np.int64) * 2 - 1)
        before = np.r_[0, walk[first[1:] - 1]]  # the running sum at the start of each block
        walk -= np.repeat(before, np.diff(np.r_[first, len(block)]))
        at = np.flatnonzero(walk % self.threshold == 0)
        multiple, owner = walk[at] // self.threshold, block[at]
        last = np.where(np.r_[False, owner[1:] == owner[:-1]], np.r_[0, multiple[:-1]], 0)
        fired = multiple != last
        chosen = order[at[fired]]
        up = (multiple > last)[fired]
        back = np.argsort(chosen, kind="stable")
        chosen = chosen[back]
        return Events(events.t[chosen], x[chosen], y[chosen], up[back].astype(np.uint8), (height, width))
