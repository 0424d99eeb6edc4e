"""Spikes that arrive late: an event at a synapse becomes a weighted event at its target some steps later.

Letters: T time, B batch, N inputs, M outputs, E synapses, D longest delay, S spikes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError

_AT_ONCE = 1 << 21  # arrivals that are held in memory at once


@dataclass(frozen=True, slots=True, eq=False)
class Synapses:
    """Synapses in a list: input a reaches output b with a weight, a whole number of steps later.

    Args: pre_E, post_E: integers, the input and the output of each; a pair may have several. weight_E. delay_E:
        integers >= 0, steps.
    Raises: ShapeError unless all are of one length, and indices and delays are not negative.
    """

    pre_E: Tensor
    post_E: Tensor
    weight_E: Tensor
    delay_E: Tensor

    def __post_init__(self) -> None:
        shapes = {tuple(x.shape) for x in (self.pre_E, self.post_E, self.weight_E, self.delay_E)}
        if len(shapes) > 1 or self.pre_E.ndim != 1:
            raise ShapeError("Synapses", expected="four tensors (E,) of one length", got=str(sorted(shapes)))
        for name in ("pre_E", "post_E", "delay_E"):
            values = getattr(self, name)
            if values.is_floating_point() or (len(values) and int(values.min()) < 0):
                raise ShapeError(f"Synapses.{name}", expected="integers >= 0", got=f"{values.dtype}")

    def __len__(self) -> int:
        return len(self.pre_E)


def arrivals(x_TBN: Tensor, synapses: Synapses, num_outputs: int, past_DBN: Tensor | None = None) -> Tensor:
    """Add up at each output what arrives there at each step.

    y[t, b, m] = sum over synapses e onto m of weight[e] x[t - delay[e], b, pre[e]], x = 0 before what is given.

    Only inputs that are not 0 are looked at, in the order of time: what it costs goes by spikes and their synapses, and
    sequences in parts give the bits of the whole.

    Args: x_TBN: (T, B, N). past_DBN: (D, B, N), the inputs before the first step, the oldest first; None: silence.
    Returns: (T, B, M), type of the input. No gradient reaches inputs that are 0.
    Raises: ShapeError for a synapse of an input or output that does not exist.
    """
    T, B, N = x_TBN.shape
    if len(synapses) and (int(synapses.pre_E.max()) >= N or int(synapses.post_E.max()) >= num_outputs):
        got = f"up to {int(synapses.pre_E.max())} and {int(synapses.post_E.max())}"
        raise ShapeError("arrivals", expected=f"inputs below {N} and outputs below {num_outputs}", got=got)
    all_TBN = x_TBN if past_DBN is None else torch.cat([past_DBN.to(x_TBN.dtype), x_TBN])
    order_E = torch.argsort(synapses.pre_E, stable=True)
    post_E, delay_E = synapses.post_E[order_E], synapses.delay_E[order_E]
    weight_E = synapses.weight_E[order_E].to(x_TBN.dtype)
    fan_N = torch.bincount(synapses.pre_E, minlength=N)
    first_N = fan_N.cumsum(0) - fan_N
    y = x_TBN.new_zeros(T * B * num_outputs)
    at_S, of_S, from_S = all_TBN.nonzero(as_tuple=True)
    at_S = at_S - (all_TBN.shape[0] - T)
    num = 1 + (_AT_ONCE // max(int(fan_N.max()), 1) if N else 0)  # spikes a turn
    for at, of, pre in zip(*(torch.split(x, num) for x in (at_S, of_S, from_S)), strict=True):
        fan = fan_N[pre]
        spike = torch.repeat_interleave(torch.arange(len(pre), device=pre.device), fan)
        nth = torch.arange(len(spike), device=pre.device) - (fan.cumsum(0) - fan)[spike]
        synapse = first_N[pre][spike] + nth
        when = at[spike] + delay_E[synapse]
        lands = (when >= 0) & (when < T)
        spike, synapse, when = spike[lands], synapse[lands], when[lands]
        value = all_TBN[at[spike] + (all_TBN.shape[0] - T), of[spike], pre[spike]] * weight_E[synapse]
        y = y.index_add(0, (when * B + of[spike]) * num_outputs + post_E[synapse], value)
    return y.view(T, B, num_outputs)
