"""Rectangle surrogate. Source: Wu et al. 2018, STBP, Frontiers in Neuroscience 12:331, eq. 24, arXiv:1706.02609."""

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Mv


class Rectangle(Surrogate):
    """Rectangle: g'(x) = 1 / width where |x| < width / 2, else 0; g(x) = x / width + 1/2 limited to [0, 1].

    Args: width: of the window in which gradients pass, mV.
    """

    width: Mv = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "width")

    def derivative(self, x: Tensor) -> Tensor:
        return (torch.abs(x) < self.width / 2).to(x.dtype) / self.width

    def primitive(self, x: Tensor) -> Tensor:
        return torch.clamp(x / self.width + 0.5, min=0.0, max=1.0)
