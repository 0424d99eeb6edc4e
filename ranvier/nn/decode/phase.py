"""Phase read-out. Source: Kim et al. 2018, Neurocomputing 311:373. Axes: T time, B batch."""

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError
from ranvier.nn.inputs import check_sequence


def phase(spikes_TB: Tensor, *, num_phases: int = 8) -> Tensor:
    """Decode what ``encode.phase`` made: the sum of s[t] * 2^-(1 + t mod K), averaged over the periods.

    Returns: (B, ...), type of the spikes.
    Raises: ShapeError unless T is a whole number of periods.
    """
    check_sequence("decode.phase", spikes_TB)
    length = spikes_TB.shape[0]
    if num_phases < 1 or length % num_phases:
        raise ShapeError("decode.phase", expected=f"whole periods of {num_phases} steps", got=f"{length} steps")
    places_T = torch.arange(length, device=spikes_TB.device) % num_phases
    weights_T = torch.exp2(-1.0 - places_T.to(spikes_TB.dtype))
    return (spikes_TB * weights_T.reshape(-1, *(1,) * (spikes_TB.ndim - 1))).sum(0) / (length // num_phases)
