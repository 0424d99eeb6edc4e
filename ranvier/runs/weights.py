"""Weights into a network, all or none: names and shapes must agree."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ranvier.core.errors import CheckpointError


def load(net: nn.Module, weights: Mapping[str, Tensor], *, where: str = "weights") -> None:
    """Copy weights into a network, in place.

    Args: weights: as ``net.state_dict()`` names them. where: their file, named in errors.
    Raises: CheckpointError that lists the names which only one side has and those whose shapes differ; the network is
        untouched then.
    """
    own = net.state_dict()
    faults = [f"{name} is missing" for name in own if name not in weights]
    faults += [f"{name} is unknown to the network" for name in weights if name not in own]
    faults += [
        f"{name} has shape {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if faults:
        more = f" and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise CheckpointError(
            where,
            expected=f"the weights of this network ({len(own)} tensors)",
            got="; ".join(faults[:8]) + more,
            mend="Build the network with the configuration that the checkpoint was made with.",
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])
