"""What the comparisons with SpikingJelly, snnTorch and Norse share: the case, and the types it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron

STEPS, NEURONS, SETS = 1000, 256, 20
Traces = tuple[Tensor, Tensor]  # output and membrane, (T, N) each
Draw = Callable[[float, float], float]
Run = Callable[[Tensor], Traces]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison.

    ``make(draw, dtype)`` draws parameters and returns our neuron and a function from input to the peer's traces.
    ``low``, ``high``: the range of the uniform input. ``note``: what the reader of the row has to know.
    ``from_reset``: whether we start at v_reset, as SpikingJelly does, and not at rest.
    ``fires``: whether the output is spikes; otherwise it is the membrane.
    """

    neuron: str
    theirs: str
    variant: str
    make: Callable[[Draw, torch.dtype], tuple[Neuron, Run]]
    low: float = -0.5
    high: float = 1.5
    note: str = ""
    from_reset: bool = False
    fires: bool = True
    expected: Literal["equal", "differs by design"] = "equal"
