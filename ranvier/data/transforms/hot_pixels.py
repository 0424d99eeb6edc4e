"""Hot pixels: those that fire far more than the rest, whatever is before the camera."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError
from ranvier.data.columns import AnyEvents, DeviceEvents, add_up, host_cells
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class HotPixels:
    """Drop all events of pixels whose count is an outlier among the pixels that fired at all.

    pixel q is hot  if  n(q) > mean + num_std * std     over the pixels with n > 0

    and the rule is applied anew to the pixels that are left until none is hot, because one that fires wildly hides
    others behind the deviation it causes. Pixels are judged over the whole recording, both polarities together.

    Source: the n-deviations rule in common use (dvs_tools); the repetition is sigma clipping.
    Raises: ConfigError unless num_std > 0.
    """

    num_std: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.num_std < math.inf:
            raise ConfigError("HotPixels.num_std", expected="a number > 0", got=repr(self.num_std))

    def mask(self, events: Events | DeviceEvents) -> NDArray[np.bool_]:
        """Tell which pixels are hot: (H, W)."""
        height, width = events.size
        if isinstance(events, Events):
            count = np.bincount(host_cells(events.y, events.x, None, events.size), minlength=height * width)
        else:
            count = add_up(events.pixels(), None, height * width).cpu().numpy()
        hot = np.zeros(height * width, bool)
        while True:
            active = count[(count > 0) & ~hot]
            if not active.size:
                break
            new = (count > active.mean() + self.num_std * active.std()) & ~hot
            if not new.any():
                break
            hot |= new
        return hot.reshape(height, width)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        """Return the events of the other pixels, in order: (E',), E' <= E."""
        cool = ~self.mask(events)
        if isinstance(events, Events):
            return events[cool[events.y, events.x]]
        return events[torch.from_numpy(cool).to(events.t.device)[events.y.long(), events.x.long()]]
