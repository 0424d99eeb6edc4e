"""Straight-through surrogate. Source: Bengio, Leonard and Courville 2013, arXiv:1308.3432, section 4."""

import torch
from torch import Tensor

from ranvier.core.surrogate import Surrogate


class StraightThrough(Surrogate):
    """Straight-through estimator: g(x) = x, g'(x) = 1 everywhere."""

    def derivative(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)

    def primitive(self, x: Tensor) -> Tensor:
        return x
