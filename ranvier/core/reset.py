"""What happens to the membrane after a spike: a value of its own, held by the neuron."""

from abc import ABC, abstractmethod
from typing import dataclass_transform

from torch import Tensor

from ranvier.core.params import Described
from ranvier.core.units import Mv


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Reset(Described, ABC):
    """The reset of the membrane after a spike.

    Args: detach: whether gradients are kept from flowing through the spike in the reset (the path through v remains).
    """

    detach: bool = False

    def __call__(self, v: Tensor, spikes: Tensor, v_th: float | Tensor) -> Tensor:
        """Reset the membrane.

        Args: v: potential before the reset. spikes: 0 or 1, same shape. v_th: the threshold that was crossed.
        Returns: the potential after the reset.
        """
        return self.apply(v, spikes.detach() if self.detach else spikes, v_th)

    @abstractmethod
    def apply(self, v: Tensor, spikes: Tensor, v_th: float | Tensor) -> Tensor:
        """Compute the potential after the reset; ``spikes`` is detached already if it should be."""


class Subtract(Reset):
    """Soft reset: v <- v - v_th * S. What exceeds the threshold is kept."""

    def apply(self, v: Tensor, spikes: Tensor, v_th: float | Tensor) -> Tensor:
        """Compute v - v_th * spikes."""
        return v - v_th * spikes


class ToValue(Reset):
    """Hard reset: v <- (1 - S) * v + S * v_reset."""

    v_reset: Mv = 0.0

    def apply(self, v: Tensor, spikes: Tensor, v_th: float | Tensor) -> Tensor:  # noqa: ARG002 - the threshold does not matter here
        """Compute (1 - spikes) * v + spikes * v_reset."""
        return (1.0 - spikes) * v + spikes * self.v_reset


class NoReset(Reset):
    """The membrane does not notice its spikes."""

    def apply(self, v: Tensor, spikes: Tensor, v_th: float | Tensor) -> Tensor:  # noqa: ARG002 - nothing is reset
        """Return v."""
        return v
