"""Potential-dependent surrogate (PDSG). Source: Lun et al. 2025, CVPR, arXiv:2503.03272."""

import math

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Mv


class PotentialDependent(Surrogate):
    """Density of the membrane: g'(x) = exp(-(x - sigma/2)^2 / (2 sigma^2)) / (sqrt(2 pi) sigma).

    g(x) = (1 + erf((x - sigma/2) / (sqrt(2) sigma))) / 2. Its area is 1 and its peak lies at sigma / 2.

    Args: sigma: standard deviation of the membrane potential before the reset, mV: measured. The paper takes one for
        each channel, over batch, space and the steps seen so far, and 1 where it is 0; a tensor of those works in
        ``step``, while kernels and layers take one number.
    """

    sigma: Mv = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "sigma")

    def derivative(self, x: Tensor) -> Tensor:
        y = x / self.sigma - 0.5
        return torch.exp(-0.5 * (y * y)) / (math.sqrt(2.0 * math.pi) * self.sigma)

    def primitive(self, x: Tensor) -> Tensor:
        return 0.5 * (1.0 + torch.erf((x / self.sigma - 0.5) / math.sqrt(2.0)))
