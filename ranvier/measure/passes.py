"""Passing a batch through a network only to look at it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ranvier.core.errors import ShapeError


@contextmanager
def looking(net: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, without gradients; leave every module in the mode it had."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def check_sequence(where: str, x_TB: Tensor) -> None:
    """Raise a ShapeError unless there are axes T and B with something along them."""
    if x_TB.dim() < 2 or 0 in x_TB.shape[:2]:
        raise ShapeError(where, expected="a tensor (T, B, ...) with T, B >= 1", got=str(tuple(x_TB.shape)))
