"""Gaussian surrogate, which is the erf surrogate too. Source: Yin, Corradi and Bohte 2021, Nat. Mach. Intell. 3:905."""

import math
from typing import Self

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Mv, Param


class Gaussian(Surrogate):
    """Gaussian: g'(x) = exp(-x^2 / (2 sigma^2)) / (sqrt(2 pi) sigma), g(x) = (1 + erf(x / (sqrt(2) sigma))) / 2.

    The "erf" surrogate of the literature, g(x) = erfc(-alpha x) / 2, is the same function with
    alpha = 1 / (sqrt(2) sigma): write ``Gaussian.from_erf(alpha)``.

    Args: sigma: standard deviation, mV.
    """

    sigma: Mv = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "sigma")

    @classmethod
    def from_erf(cls, alpha: Param = 2.0) -> Self:
        """Make the surrogate g(x) = erfc(-alpha x) / 2, g'(x) = alpha / sqrt(pi) exp(-(alpha x)^2)."""
        return cls(sigma=1.0 / (math.sqrt(2.0) * alpha))

    def derivative(self, x: Tensor) -> Tensor:
        y = x / self.sigma
        return torch.exp(-0.5 * (y * y)) / (math.sqrt(2.0 * math.pi) * self.sigma)

    def primitive(self, x: Tensor) -> Tensor:
        return 0.5 * (1.0 + torch.erf(x / (math.sqrt(2.0) * self.sigma)))
