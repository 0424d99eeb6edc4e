"""Triangle surrogate. Source: Esser et al. 2016, PNAS 113:11441; Bellec et al. 2018, arXiv:1803.09574."""

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Mv, Param


class Triangle(Surrogate):
    """Triangle (piecewise quadratic primitive): g'(x) = gamma max(0, 1 - |x| / width).

    g(x) = 1/2 + gamma width (y - y |y| / 2) with y = x / width limited to [-1, 1].

    Args:
        gamma: height; 1 as in SLTT, 0.3 in LSNN and e-prop.
        width: half of the base, mV; LSNN and e-prop take v_th.
    """

    gamma: Param = 1.0
    width: Mv = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "gamma", "width")

    def derivative(self, x: Tensor) -> Tensor:
        return self.gamma * torch.relu(1.0 - torch.abs(x / self.width))

    def primitive(self, x: Tensor) -> Tensor:
        y = torch.clamp(x / self.width, min=-1.0, max=1.0)
        return (self.gamma * self.width) * (y - 0.5 * y * torch.abs(y)) + 0.5
