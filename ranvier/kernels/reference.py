"""The reference executor: a loop over time that calls the neuron's own step. This defines what is right."""

from typing import Any

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron


def run(
    neuron: Neuron, current_TB: Tensor, state: Any, *, dt: float, outputs: tuple[str, ...]
) -> tuple[dict[str, Tensor], Any]:
    """Run a neuron over a sequence, step by step, in plain torch and under autograd.

    Args: neuron: with its parameters bound. current_TB: (T, B, ...). state: (B, ...) tensors. dt: ms.
    Returns: the outputs of every step, (T, B, ...) each, and the state after the last.
    """
    rows: dict[str, list[Tensor]] = {name: [] for name in outputs}
    for current_B in current_TB:
        state, spikes = neuron.step(state, current_B, dt=dt)
        state = type(state)(*(value.expand_as(current_B) for value in state))
        for name in outputs:
            rows[name].append(spikes.expand_as(current_B) if name == "spikes" else getattr(state, name))
    return {name: torch.stack(row) if row else torch.empty_like(current_TB) for name, row in rows.items()}, state
