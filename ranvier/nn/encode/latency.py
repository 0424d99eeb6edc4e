"""Latency code: the larger the value, the earlier the one spike. Source: Thorpe 1990, Parallel processing, p. 91.

Axes: T time, B batch.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.encode.values import check_values


def latency(values_B: Tensor, *, num_steps: int, silent_below: float = 0.0) -> Tensor:
    """Encode values as the time of one spike: t = round((1 - x) * (T - 1)).

    The code is the source's, the straight line our choice.

    Args: values_B: (B, ...) in [0, 1]. silent_below: values below it do not fire at all.
    Returns: (T, B, ...) of 0 and 1 with at most one spike each, type and device of the values.
    Raises: ConfigError, DtypeError.
    """
    check_values("encode.latency", values_B, num_steps=num_steps)
    if not 0.0 <= silent_below <= 1.0:
        raise ConfigError("encode.latency.silent_below", expected="a value in [0, 1]", got=str(silent_below))
    when_B = torch.round((1.0 - values_B) * (num_steps - 1))
    steps_T = torch.arange(num_steps, dtype=values_B.dtype, device=values_B.device)
    fires = (steps_T.reshape(-1, *(1,) * values_B.ndim) == when_B) & (values_B >= silent_below)
    return fires.to(values_B.dtype)
