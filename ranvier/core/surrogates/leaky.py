"""Leaky surrogate: the derivative of a leaky ReLU. Source: Eshraghian et al. 2023, Proc. IEEE 111:1016 (snnTorch)."""

import torch
from torch import Tensor

from ranvier.core.params import require
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Param


class Leaky(Surrogate):
    """Leaky ReLU: g(x) = x for x >= 0, leak x otherwise; g'(x) = 1 for x >= 0, leak otherwise.

    Args: leak: derivative below the threshold, 0 to 1.
    """

    leak: Param = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "leak", (self.leak >= 0) & (self.leak <= 1), "a number from 0 to 1")

    def derivative(self, x: Tensor) -> Tensor:
        above = (x >= 0).to(x.dtype)
        return above + (1.0 - above) * self.leak

    def primitive(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, self.leak * x)
