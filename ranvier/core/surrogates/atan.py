"""Arctan surrogate. Source: Fang et al. 2021, ICCV, arXiv:2007.05785 (the default of SpikingJelly)."""

import math

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Param


class ATan(Surrogate):
    """Arctangent: g(x) = arctan(pi/2 alpha x) / pi + 1/2, g'(x) = (alpha/2) / (1 + (pi/2 alpha x)^2).

    Args: alpha: slope; g'(0) = alpha / 2.
    """

    alpha: Param = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "alpha")

    def derivative(self, x: Tensor) -> Tensor:
        # Far from the threshold the square overflows to infinity and the quotient to an exact 0: finite, as wanted.
        scaled = (math.pi / 2 * self.alpha) * x
        return (self.alpha / 2) / (1.0 + scaled * scaled)

    def primitive(self, x: Tensor) -> Tensor:
        return torch.atan((math.pi / 2 * self.alpha) * x) / math.pi + 0.5
