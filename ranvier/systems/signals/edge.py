"""A trained network as on a small device: without its smallest weights."""

from copy import deepcopy

import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.nn import Sequential


def pruned(net: Sequential, share: float) -> Sequential:
    """Copy a network with the ``share`` of smallest weights of each trained product set to 0. Raises: ConfigError."""
    if not 0 <= share < 1:
        raise ConfigError("pruned.share", expected="a share in [0, 1)", got=str(share))
    copy = deepcopy(net)
    with torch.no_grad():
        for layer in copy.modules():
            if isinstance(layer, nn.Linear) and layer.weight.requires_grad:
                size = layer.weight.abs()
                least = size.flatten().sort().values[int(share * size.numel())]
                layer.weight[size < least] = 0
    return copy
