"""Delays that become exact as training goes on. Source: Hammouamri et al. 2024, ICLR, arXiv:2306.17670, section 2.3."""

from dataclasses import dataclass

from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.nn import DelayedLinear
from ranvier.train.callbacks import Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowDelays:
    """A callback that narrows the Gaussians of every ``nn.DelayedLinear``, geometrically, after each epoch.

    width = first (last / first)^(min(e, E) / E) after e epochs, E = max(1, floor(share epochs)); one that is
    ``last`` or narrower from the start stays.

    A function of the number of the epoch alone; the width lies in a buffer, which checkpoints hold, so that a training
    that is resumed goes on with the same bits.

    Args: net: that is trained. epochs: of the training. share: of them, until the Gaussians are narrow. last: steps.
    """

    net: nn.Module
    epochs: int
    share: float = 0.25
    last: float = 0.23

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError("NarrowDelays.epochs", expected="at least 1", got=str(self.epochs))
        if not 0 < self.share <= 1:
            raise ConfigError("NarrowDelays.share", expected="a share in (0, 1]", got=str(self.share))
        if not self.last > 0:
            raise ConfigError("NarrowDelays.last", expected="a width > 0", got=str(self.last))

    def width(self, first: float, epoch: int) -> float:
        """Return the width after so many epochs of one that was ``first``."""
        if first <= self.last:
            return first
        until = max(1, int(self.share * self.epochs))
        return float(first * (self.last / first) ** (min(epoch, until) / until))

    def __call__(self, epoch: Epoch) -> None:
        """Set the widths; there is nothing to say."""
        for layer in self.net.modules():
            if isinstance(layer, DelayedLinear):
                layer.width.fill_(self.width(layer.first_width, epoch.number))
