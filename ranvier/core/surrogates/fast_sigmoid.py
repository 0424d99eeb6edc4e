"""Fast sigmoid surrogate. Source: Zenke and Ganguli 2018, SuperSpike, Neural Computation 30:1514."""

import torch
from torch import Tensor

from ranvier.core.params import require_positive
from ranvier.core.surrogate import Surrogate
from ranvier.core.units import Param


class FastSigmoid(Surrogate):
    """Fast sigmoid (SuperSpike): g(x) = x / (1 + k |x|) + 1/2, g'(x) = 1 / (1 + k |x|)^2.

    Args: k: slope; 25 as in snnTorch, 100 in SuperSpike, 10 in DECOLLE. g'(0) = 1 for every k.
    """

    k: Param = 25.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "k")

    def derivative(self, x: Tensor) -> Tensor:
        slow = 1.0 / (1.0 + self.k * torch.abs(x))
        return slow * slow

    def primitive(self, x: Tensor) -> Tensor:
        # Not x / (1 + k |x|): in float16 the denominator overflows and the quotient would fall back to 0.
        return torch.sign(x) * (1.0 - 1.0 / (1.0 + self.k * torch.abs(x))) / self.k + 0.5
