"""How a linear decay is taken over one time step: exactly, or by the forward Euler method."""

import math
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.maths import exp, expm1

Discretisation = Literal["exact", "euler"]


def decay(tau: float | Tensor, *, dt: float, how: Discretisation) -> float | Tensor:
    """Compute what is left of x after a step of x' = -x / tau: exp(-dt / tau) exactly, 1 - dt / tau by Euler.

    Args: tau, dt: ms.
    """
    return exp(-dt / tau) if how == "exact" else 1.0 - dt / tau


def time_constant(factor: float | Tensor, *, dt: float) -> float | Tensor:
    """Compute the time constant, ms, of which ``decay`` (exact) is this factor, 0 < factor < 1."""
    return -dt / (math.log(factor) if isinstance(factor, int | float) else torch.log(factor))


def mean_growth(x: float | Tensor) -> float | Tensor:
    """Compute (exp(x) - 1) / x, 1 at x = 0."""
    if isinstance(x, int | float):
        return expm1(x) / x if x != 0 else 1.0
    at_zero = x == 0
    safe = torch.where(at_zero, 1.0, x)
    return torch.where(at_zero, 1.0, torch.expm1(safe) / safe)
