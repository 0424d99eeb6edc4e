"""Masked parallel spiking neuron. Source: Fang et al. 2023, NeurIPS 36, arXiv:2304.12760.

Axes: T time, B batch, K window, L lags.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, StateError
from ranvier.core.surrogate import Surrogate
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.packed import Form, checked_form
from ranvier.kernels.window import window
from ranvier.nn.psn import checked_steps, computed, fire
from ranvier.nn.sliding_psn import latest, past
from ranvier.nn.stateful import Stateful
from ranvier.nn.steps import Steps, after, places


class MaskedPSN(Stateful):
    """Masked parallel spiking neuron: a PSN whose step t hears only the inputs t - K + 1 ... t, so that it is causal.

    ::

        h[t] = sum over j of M[t, j] W[t, j] x[j]       M[t, j] = 1 for t - K < j <= t, else 1 - strength
        spikes[t] = H(h[t] - v_th[t])

    ==============  ==========  ====  =======  ==============================================================
    parameter       default     unit  symbol   meaning
    ==============  ==========  ====  =======  ==============================================================
    num_steps                         T        length of the longest sequence
    order                             K        number of inputs that a step hears
    weight          random            W        (T, T), learned; uniform in +-1/sqrt(T) at first
    v_th            1           mV    B        (T,), learned: a threshold for each step
    strength        1                 lambda   of the mask: training may begin as a PSN (0) and end causal (1)
    surrogate       ATan(2)                    stand-in derivative of the spike
    spikes          "dense"                    how they are handed on, as for ``Spiking``
    ==============  ==========  ====  =======  ==============================================================

    ``strength`` is an attribute that a schedule may set. Below 1, inputs to come are heard, and only whole sequences
    from the start are taken.

    State: ``past`` (B, K - 1, ...), the latest inputs, the oldest first; ``step`` (B,), the number of steps seen, for
    each has weights of its own. Chunks give the bits of the whole.

    Raises: ShapeError, StateError for a sequence or stream longer than num_steps; StateError below full strength for
        anything but a whole sequence from the start.
    Source: Fang et al. 2023 (progressive masking: M = lambda M_K + (1 - lambda) J). See also: SlidingPSN, PSN.
    """

    recordable = ("v",)

    class State(NamedTuple):
        """State of a masked window."""

        past: Tensor  # (B, K - 1, ...) the latest inputs, the oldest first
        step: Tensor  # (B,) steps seen

    def __init__(
        self, num_steps: int, order: int, *, strength: float = 1.0, surrogate: Surrogate | None = None,
        spikes: Form = "dense",
    ) -> None:  # fmt: skip
        super().__init__()
        self.spikes = checked_form("MaskedPSN", spikes)
        self.num_steps = checked_steps("MaskedPSN", "num_steps", num_steps)
        self.order = checked_steps("MaskedPSN", "order", order)
        if not 0.0 <= strength <= 1.0:
            raise ConfigError("MaskedPSN.strength", expected="a number from 0 to 1", got=repr(strength))
        self.strength = strength
        self.surrogate = ATan() if surrogate is None else surrogate
        bound = 1.0 / math.sqrt(num_steps)
        self.weight = nn.Parameter(torch.empty(num_steps, num_steps).uniform_(-bound, bound))
        self.v_th = nn.Parameter(torch.ones(num_steps))

    @property
    def state_type(self) -> Any:
        """The latest inputs and the place in time."""
        return self.State

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """K - 1 steps of the input, and one number a sequence."""
        return torch.Size((x_TB.shape[1], self.order - 1, *x_TB.shape[2:])), x_TB.shape[1:2]

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """Turn (T, B, ...) into spikes, from the step that the state is at."""
        self.check(x_TB, state)
        x, steps = computed(x_TB), None if state is None else Steps(state.step)
        t_TB = places("MaskedPSN", x_TB, steps, self.num_steps)
        past_KB = past(x, None if state is None else state.past, self.order - 1)
        if self.strength == 1.0:
            # Where a lag reaches before the start the input is 0, and any weight will do.
            source = (t_TB.unsqueeze(2) - torch.arange(self.order, device=t_TB.device)).clamp(min=0)
            h_TB = window(x, past_KB, self.weight[t_TB.unsqueeze(2), source].to(x.dtype))
        else:
            h_TB = self._softly_masked(x, state)
        spikes_TB = fire(self, h_TB, self.v_th[t_TB], x_TB.dtype)
        return spikes_TB, self.State(latest(past_KB, x), after(x_TB, steps).step)

    def _softly_masked(self, x_TB: Tensor, state: Any) -> Tensor:
        if state is not None or x_TB.shape[0] != self.num_steps:
            expected = f"the whole sequence of {self.num_steps} steps from the start"
            got = f"{x_TB.shape[0]} steps" if state is None else "a state to go on from"
            mend = f"At strength {self.strength:g} inputs to come are heard; set strength = 1."
            raise StateError("MaskedPSN", expected=expected, got=got, mend=mend)
        lag = torch.arange(self.num_steps, device=x_TB.device)
        lag = lag.unsqueeze(1) - lag
        mask = torch.where((lag >= 0) & (lag < self.order), 1.0, 1.0 - self.strength)
        return ((self.weight * mask).to(x_TB.dtype) @ x_TB.flatten(1)).view(x_TB.shape)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"num_steps={self.num_steps}, order={self.order}, strength={self.strength:g}, surrogate={self.surrogate}"
