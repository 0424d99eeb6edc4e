"""Piecewise exponential surrogate. Source: Shrestha and Orchard 2018, SLAYER, NeurIPS, arXiv:1810.08646."""

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Param


class PiecewiseExponential(Surrogate):
    """Two-sided exponential: g'(x) = (alpha / 2) exp(-alpha |x|).

    g(x) = exp(alpha x) / 2 for x < 0, 1 - exp(-alpha x) / 2 otherwise.

    Args: alpha: slope; g'(0) = alpha / 2.
    """

    alpha: Param = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "alpha")

    def derivative(self, x: Tensor) -> Tensor:
        return (0.5 * self.alpha) * torch.exp(-self.alpha * torch.abs(x))

    def primitive(self, x: Tensor) -> Tensor:
        tail = 0.5 * torch.exp(-self.alpha * torch.abs(x))
        return torch.where(x < 0, tail, 1.0 - tail)
