"""Elementary functions of a number or a tensor alike, so that a neuron's step works with fixed and learned parameters.

With a Python float the result is a float, computed once when the kernel is made; with a tensor it is a tensor.
"""

import math

import torch
from torch import Tensor


def exp(x: float | Tensor) -> float | Tensor:
    """Compute e to the power x."""
    return math.exp(x) if isinstance(x, int | float) else torch.exp(x)


def expm1(x: float | Tensor) -> float | Tensor:
    """Compute exp(x) - 1 without cancellation near 0."""
    return math.expm1(x) if isinstance(x, int | float) else torch.expm1(x)


def log(x: float | Tensor) -> float | Tensor:
    """Compute the natural logarithm."""
    return math.log(x) if isinstance(x, int | float) else torch.log(x)


def sqrt(x: float | Tensor) -> float | Tensor:
    """Compute the square root."""
    return math.sqrt(x) if isinstance(x, int | float) else torch.sqrt(x)


def sin(x: float | Tensor) -> float | Tensor:
    """Compute the sine of an angle in radians."""
    return math.sin(x) if isinstance(x, int | float) else torch.sin(x)


def cos(x: float | Tensor) -> float | Tensor:
    """Compute the cosine of an angle in radians."""
    return math.cos(x) if isinstance(x, int | float) else torch.cos(x)


def sigmoid(x: float | Tensor) -> float | Tensor:
    """Compute the logistic function 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + math.exp(-x)) if isinstance(x, int | float) else torch.sigmoid(x)
