"""The place in time as a state, for layers that have parameters of their own for every step. Axes: T time, B batch."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError, StateError


class Steps(NamedTuple):
    """How many steps each element of the batch has seen."""

    step: Tensor  # (B,) int64


def places(where: str, x_TB: Tensor, state: Steps | None, num_steps: int) -> Tensor:
    """Return which step each element of a sequence is at: (T, B), or (T, 1) from rest, where all are equal.

    Raises: ShapeError if the sequence, StateError if the stream is longer than the steps there are parameters for.
    """
    length = x_TB.shape[0]
    if length > num_steps:
        mend = f"Build it with num_steps >= {length}."
        raise ShapeError(where, expected=f"at most {num_steps} steps", got=f"{length} steps", mend=mend)
    places_T1 = torch.arange(length, device=x_TB.device).unsqueeze(1)
    if state is None:
        return places_T1
    low, high = (int(v) for v in state.step.aminmax()) if state.step.numel() else (0, 0)
    if low < 0 or high + length > num_steps:
        mend = f"Build it with num_steps >= {high + length}, or start from rest."
        got = f"{length} more steps from step {high if low >= 0 else low}"
        raise StateError(where, expected=f"at most {num_steps} steps", got=got, mend=mend)
    return places_T1 + state.step


def after(x_TB: Tensor, state: Steps | None) -> Steps:
    """Return the state after a sequence."""
    length, batch = x_TB.shape[:2]
    if state is None:
        return Steps(torch.full((batch,), length, dtype=torch.int64, device=x_TB.device))
    return Steps(state.step + length)


def spread(values: Tensor, x_TBC: Tensor) -> Tensor:
    """Append axes of size 1 until values (T, B) or (T, B, C) broadcast against (T, B, C, ...)."""
    return values.reshape(*values.shape, *(1,) * (x_TBC.ndim - values.ndim))
