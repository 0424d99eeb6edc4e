"""Sliding parallel spiking neuron. Source: Fang et al. 2023, NeurIPS 36, arXiv:2304.12760.

Axes: T time, B batch, K window.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.surrogate import Surrogate
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.packed import Form, checked_form
from ranvier.kernels.window import window
from ranvier.nn.psn import checked_steps, computed, fire
from ranvier.nn.stateful import Stateful


class SlidingPSN(Stateful):
    """Sliding parallel spiking neuron: a learned window over the latest K inputs, the same at all steps; no reset.

    ::

        h[t] = sum over l = 0 ... K - 1 of weight[l] x[t - l]       x = 0 before the start
        spikes[t] = H(h[t] - v_th)

    ==============  ==========  ====  =======  ==============================================================
    parameter       default     unit  symbol   meaning
    ==============  ==========  ====  =======  ==============================================================
    order                             K        number of inputs that a step hears
    weight          2^-l              W        (K,), learned; by lag, the present input first
    v_th            1           mV    V_th     threshold, learned
    surrogate       ATan(2)                    stand-in derivative of the spike
    spikes          "dense"                    how they are handed on, as for ``Spiking``
    ==============  ==========  ====  =======  ==============================================================

    State: ``past`` (B, K - 1, ...), the latest inputs, the oldest first. Sequences may have any length; chunks give the
    bits of the whole.

    Source: Fang et al. 2023 (there the weights are stored in the opposite order, W_{K-1} for the present
    input). See also: MaskedPSN, PSN.
    """

    recordable = ("v",)

    class State(NamedTuple):
        """State of a sliding window."""

        past: Tensor  # (B, K - 1, ...) the latest inputs, the oldest first

    def __init__(self, order: int, *, surrogate: Surrogate | None = None, spikes: Form = "dense") -> None:
        super().__init__()
        self.spikes = checked_form("SlidingPSN", spikes)
        self.order = checked_steps("SlidingPSN", "order", order)
        self.surrogate = ATan() if surrogate is None else surrogate
        self.weight = nn.Parameter(0.5 ** torch.arange(order, dtype=torch.get_default_dtype()))
        self.v_th = nn.Parameter(torch.ones(()))

    @property
    def state_type(self) -> Any:
        """The latest inputs."""
        return self.State

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """K - 1 steps of the input."""
        return (torch.Size((x_TB.shape[1], self.order - 1, *x_TB.shape[2:])),)

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """Turn (T, B, ...) into spikes; the state holds what later steps will hear."""
        self.check(x_TB, state)
        x = computed(x_TB)
        past_KB = past(x, None if state is None else state.past, self.order - 1)
        h_TB = window(x, past_KB, self.weight.to(x.dtype).reshape(1, 1, -1))
        return fire(self, h_TB, self.v_th.reshape(1, 1), x_TB.dtype), self.State(latest(past_KB, x))

    def extra_repr(self) -> str:
        """Show the window's length."""
        return f"order={self.order}, surrogate={self.surrogate}"


def past(x_TB: Tensor, given_BK: Tensor | None, length: int) -> Tensor:
    """Return the inputs before the first step, time first: those of a state, or zeros."""
    return x_TB.new_zeros(length, *x_TB.shape[1:]) if given_BK is None else given_BK.transpose(0, 1).to(x_TB.dtype)


def latest(past_KB: Tensor, x_TB: Tensor) -> Tensor:
    """Return the inputs that the next step will hear, batch first: as many as ``past`` held."""
    return torch.cat([past_KB, x_TB])[x_TB.shape[0] :].transpose(0, 1).contiguous()
