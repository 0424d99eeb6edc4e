"""Latency read-out: when each neuron fired first. Source: Thorpe 1990. Axes: T time, B batch."""

import torch
from torch import Tensor

from ranvier.nn.inputs import check_sequence


def first_spike(spikes_TB: Tensor) -> Tensor:
    """Find the step of each neuron's first spike; T for a neuron that stayed silent.

    Returns: (B, ...) int64; ``first_spike(...).argmin(-1)`` is who fired first. No gradients.
    """
    check_sequence("decode.first_spike", spikes_TB)
    fired_TB = spikes_TB != 0
    silent = ~fired_TB.any(0)
    return torch.where(silent, spikes_TB.shape[0], fired_TB.to(torch.uint8).argmax(0))


def latency(spikes_TB: Tensor) -> Tensor:
    """Decode what ``encode.latency`` made: x = 1 - t / (T - 1), exact to half a step; 0 for a silent neuron.

    Returns: (B, ...), type of the spikes.
    """
    last = spikes_TB.shape[0] - 1
    when_B = first_spike(spikes_TB)
    values_B = 1.0 - when_B.to(spikes_TB.dtype) / max(last, 1)
    return torch.where(when_B > last, torch.zeros_like(values_B), values_B)
