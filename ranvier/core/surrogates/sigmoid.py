"""Sigmoid surrogate. Source: Zenke and Vogels 2021, Neural Computation 33:899, table 1."""

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Param


class Sigmoid(Surrogate):
    """Logistic function: g(x) = s(alpha x), g'(x) = alpha s(alpha x) (1 - s(alpha x)), s(y) = 1 / (1 + exp(-y)).

    Args: alpha: slope; g'(0) = alpha / 4. The default 4 gives a peak of 1.
    """

    alpha: Param = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "alpha")

    def derivative(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(self.alpha * x)
        return self.alpha * s * (1.0 - s)

    def primitive(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.alpha * x)
