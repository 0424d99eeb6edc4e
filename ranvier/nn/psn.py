"""Parallel spiking neuron. Source: Fang et al. 2023, NeurIPS 36, arXiv:2304.12760. Axes: T time, B batch."""

import math

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.surrogate import Surrogate, spike
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.packed import Form, checked_form, handed_on
from ranvier.nn.inputs import check_sequence
from ranvier.nn.observe import observer
from ranvier.nn.stateful import TimeAware, require_start
from ranvier.nn.steps import spread


class PSN(TimeAware):
    """Parallel spiking neuron: no reset, no state; a learned matrix over time replaces charging and leaking.

    ::

        h[t] = sum over j of W[t, j] x[j]       j = 0 ... T - 1, also those after t
        spikes[t] = H(h[t] - v_th[t])

    ==============  ==========  ====  =======  ==============================================================
    parameter       default     unit  symbol   meaning
    ==============  ==========  ====  =======  ==============================================================
    num_steps                         T        length of every sequence
    weight          random            W        (T, T), learned; uniform in +-1/sqrt(T) at first
    v_th            1           mV    B        (T,), learned: a threshold for each step
    surrogate       ATan(2)                    stand-in derivative of the spike
    spikes          "dense"                    how they are handed on, as for ``Spiking``
    ==============  ==========  ====  =======  ==============================================================

    All neurons of a layer share W and v_th. All steps are computed at once, by one matrix product. An output depends on
    inputs that come after it, so nothing can be said before the whole sequence is there: it cannot stream.

    Input (T, B, ...), output of the same shape and type, 0 or 1.

    Raises: ShapeError for a sequence of another length; StateError when a run goes on from an earlier one.
    Source: Fang et al. 2023. See also: MaskedPSN (causal, with a limited window), SlidingPSN (the same
    window at all steps, for sequences of any length), LIF(reset=NoReset()) with executor="scan".
    """

    recordable = ("v",)

    def __init__(self, num_steps: int, *, surrogate: Surrogate | None = None, spikes: Form = "dense") -> None:
        super().__init__()
        self.spikes = checked_form("PSN", spikes)
        self.num_steps = checked_steps("PSN", "num_steps", num_steps)
        self.surrogate = ATan() if surrogate is None else surrogate
        bound = 1.0 / math.sqrt(num_steps)
        self.weight = nn.Parameter(torch.empty(num_steps, num_steps).uniform_(-bound, bound))
        self.v_th = nn.Parameter(torch.ones(num_steps))

    def forward(self, x_TB: Tensor) -> Tensor:
        """Turn whole sequences (T, B, ...) into spikes of the same shape."""
        check_sequence("PSN", x_TB)
        require_start("PSN", mend="Its outputs depend on all inputs of a sequence. Stream a MaskedPSN or a SlidingPSN.")
        if x_TB.shape[0] != self.num_steps:
            expected = f"the whole sequence of {self.num_steps} steps"
            mend = "It cannot stream, for its outputs depend on inputs to come: MaskedPSN and SlidingPSN can."
            raise ShapeError("PSN", expected=expected, got=f"{x_TB.shape[0]} steps", mend=mend)
        x = computed(x_TB)
        h_TB = (self.weight.to(x.dtype) @ x.flatten(1)).view(x_TB.shape)
        return fire(self, h_TB, self.v_th.unsqueeze(1), x_TB.dtype)

    def extra_repr(self) -> str:
        """Show the length."""
        return f"num_steps={self.num_steps}, surrogate={self.surrogate}"


def computed(x_TB: Tensor) -> Tensor:
    """Return an input in the precision it is computed in: float64, else float32."""
    return x_TB if x_TB.dtype == torch.float64 else x_TB.float()


def fire(layer: nn.Module, h_TB: Tensor, v_th_TB: Tensor, dtype: torch.dtype) -> Tensor:
    """Fire where h reaches its threshold, of shape (T or 1, B or 1); an observer sees h as "v".

    Returns: spikes of that type, in the form that the layer hands them on.
    """
    spikes_TB: Tensor = spike(h_TB - spread(v_th_TB.to(h_TB.dtype), h_TB), layer.surrogate)  # type: ignore[arg-type] # one of ours
    watching = observer()
    if watching is not None:
        watching.see(layer, {"spikes": spikes_TB, "v": h_TB})
    return handed_on(spikes_TB.to(dtype), layer.spikes, where=type(layer).__name__)  # type: ignore[arg-type] # one of ours


def checked_steps(where: str, name: str, value: int) -> int:
    """Refuse a number of steps below one."""
    if value < 1:
        raise ConfigError(f"{where}.{name}", expected="at least 1 step", got=str(value))
    return value
