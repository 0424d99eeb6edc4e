"""Population code by Gaussian receptive fields. Source: Bohte, Kok and La Poutre 2002, Neurocomputing 48:17.

Axes: T time, B batch, N neurons.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.encode.latency import latency
from ranvier.nn.encode.values import check_values


def receptive_fields(
    values_B: Tensor, *, num_neurons: int, low: float = 0.0, high: float = 1.0, sharpness: float = 1.5
) -> Tensor:
    """Answer of N neurons with Gaussian receptive fields: a_n = exp(-(x - mu_n)^2 / (2 sigma^2)).

    mu_n = low + (2 n - 3) / 2 * (high - low) / (N - 2) for n = 1 ... N; sigma = (high - low) / (N - 2) / sharpness.

    Args: values_B: (B, ...). num_neurons: N, at least 3. low, high: range of the values. sharpness: the paper's beta.
    Returns: (B, ..., N) in [0, 1].
    Raises: ConfigError, DtypeError.
    """
    check_values("encode.receptive_fields", values_B, unit=False)
    centres_N, spacing = centres(num_neurons, low=low, high=high)
    distance = (values_B.unsqueeze(-1) - centres_N.to(values_B)) * (sharpness / spacing)
    return torch.exp(-0.5 * distance * distance)


def population(
    values_B: Tensor, *, num_neurons: int, num_steps: int, low: float = 0.0, high: float = 1.0,
    sharpness: float = 1.5, silent_below: float = 0.1,
) -> Tensor:  # fmt: skip
    """Encode each value as spike times of N neurons: the better it fits a receptive field, the earlier the spike.

    Args: as for ``receptive_fields``; answers below ``silent_below`` stay silent, as in the paper.
    Returns: (T, B, ..., N) of 0 and 1, at most one spike each.
    Raises: ConfigError, DtypeError.
    """
    answers = receptive_fields(values_B, num_neurons=num_neurons, low=low, high=high, sharpness=sharpness)
    return latency(answers, num_steps=num_steps, silent_below=silent_below)


def centres(num_neurons: int, *, low: float, high: float) -> tuple[Tensor, float]:
    """Return the centres of the receptive fields, (N,) float64, and their spacing."""
    if num_neurons < 3:
        raise ConfigError("num_neurons", expected="at least 3", got=str(num_neurons))
    if not high > low:
        raise ConfigError("low, high", expected="low < high", got=f"{low}, {high}")
    spacing = (high - low) / (num_neurons - 2)
    return low + (torch.arange(1, num_neurons + 1, dtype=torch.float64) - 1.5) * spacing, spacing
