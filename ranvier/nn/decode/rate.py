"""Rate read-out: how much each neuron fired. Source: Dayan and Abbott 2001, section 1.2. Axes: T time, B batch."""

from torch import Tensor

from ranvier.nn.inputs import check_sequence


def rate(spikes_TB: Tensor) -> Tensor:
    """Decode as the mean over time: spikes a step. Returns (B, ...); in Hz after times 1000 / dt."""
    check_sequence("decode.rate", spikes_TB)
    return spikes_TB.mean(0)


def count(spikes_TB: Tensor) -> Tensor:
    """Decode as the sum over time. Returns (B, ...)."""
    check_sequence("decode.count", spikes_TB)
    return spikes_TB.sum(0)
