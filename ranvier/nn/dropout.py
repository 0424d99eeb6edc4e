"""Dropout with one mask a sequence. Source: Lee et al. 2020, Front. Neurosci. 14:119.

Axes: T time, B batch.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.stateful import Stateful


class Dropout(Stateful):
    """Dropout whose mask is locked in time: what is dropped stays dropped for the whole sequence.

    y[t] = x[t] * m / (1 - p) with m = 0 at probability p, else 1, drawn at rest from torch's own generator, as
    ``nn.Dropout`` does, for each element of the batch. In evaluation y = x. The mask is its state: a stream keeps it.

    Args: p: probability to be dropped, 0 <= p < 1.
    """

    class State(NamedTuple):
        """State of a dropout."""

        mask: Tensor  # (B, ...) 0 or 1 / (1 - p); all 1 if drawn in evaluation

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ConfigError("Dropout.p", expected="a probability in [0, 1)", got=str(p))
        self.p = p

    @property
    def state_type(self) -> Any:
        """The mask."""
        return self.State

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """Apply the mask of the state, or a new one from rest."""
        self.check(x_TB, state)
        if state is None:
            one = x_TB.new_ones(())
            drawn = torch.empty_like(x_TB[0]).bernoulli_(1.0 - self.p) / (1.0 - self.p) if self.training else one
            state = self.State(drawn.expand(x_TB.shape[1:]))
        return x_TB * state.mask if self.training else x_TB, state

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p:g}"
