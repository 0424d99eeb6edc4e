"""The moving average of the weights. Source: Polyak and Juditsky 1992, SIAM J. Control Optim. 30:838."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


def start(net: nn.Module) -> Weights:
    """Return a copy of the network's weights and buffers, the average of one."""
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


@torch.no_grad()
def update(average: Weights, net: nn.Module, *, decay: float, step: int) -> None:
    """Move the average towards the weights, in place: a <- d a + (1 - d) w.

    d = min(decay, (1 + step) / (10 + step)), step from 1: the first weights, still near their random start, soon fade.
    What is no floating number (counters) is copied.
    """
    d = min(decay, (1 + step) / (10 + step))
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 1 - d)
        else:
            average[name].copy_(tensor)


@contextmanager
@torch.no_grad()
def inside(net: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """While open, the network has these weights; its own come back at the end."""
    own = start(net)
    put(net, weights)
    try:
        yield
    finally:
        put(net, own)


@torch.no_grad()
def put(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights of the same names and shapes into the network."""
    for name, tensor in net.state_dict().items():
        tensor.copy_(weights[name])
