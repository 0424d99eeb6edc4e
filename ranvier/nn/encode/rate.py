"""Rate code: how often a neuron fires. Source: Dayan and Abbott 2001, section 1.4 (Bernoulli, Poisson).

Axes: T time, B batch.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.encode.values import check_values


def rate(values_B: Tensor, *, num_steps: int, generator: torch.Generator | None = None) -> Tensor:
    """Encode values as spike probabilities: in every step a spike with probability x (Bernoulli).

    Args: values_B: (B, ...) in [0, 1]. generator: on the device of the values; None is torch's own.
    Returns: (T, B, ...) of 0 and 1, type and device of the values.
    Raises: ConfigError, DtypeError.
    """
    check_values("encode.rate", values_B, num_steps=num_steps)
    return torch.bernoulli(values_B.expand(num_steps, *values_B.shape), generator=generator)


def poisson(rates_B: Tensor, *, num_steps: int, dt: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Encode firing rates as counts of a Poisson process: n[t] ~ Poisson(rate * dt).

    Args: rates_B: (B, ...) Hz, >= 0. dt: ms. generator: on the device of the rates; None is torch's own.
    Returns: (T, B, ...) counts, mostly 0 and 1 for rate * dt well below 1, type and device of the rates.
    Raises: ConfigError, DtypeError.
    """
    check_values("encode.poisson", rates_B, num_steps=num_steps, unit=False)
    if not bool(((rates_B >= 0) & torch.isfinite(rates_B)).all()):
        got = f"values in [{rates_B.min():g}, {rates_B.max():g}]"
        raise ConfigError("encode.poisson", expected="finite rates >= 0 Hz", got=got)
    return torch.poisson((rates_B * (dt / 1000.0)).repeat(num_steps, *(1,) * rates_B.ndim), generator=generator)
