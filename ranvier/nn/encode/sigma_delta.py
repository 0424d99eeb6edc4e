"""Sigma-delta code: spikes whose running sum follows that of the signal. Source: Yoon 2017, IEEE TNNLS 28:1192.

Axes: T time, B batch, P polarity.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.encode.values import check_values
from ranvier.nn.inputs import check_sequence


def sigma_delta(signal_TB: Tensor, *, threshold: float, start_B: Tensor | None = None) -> Tensor:
    """Encode a signal as spikes that carry what rounding left over to the next step.

    e <- e + x[t];  n = round(e / threshold);  e <- e - threshold n. |n| spikes are sent, ON where n > 0 and OFF where
    n < 0.

    At every t the sum of threshold * n up to t is the sum of x up to t to within threshold / 2: nothing is lost.

    Args: signal_TB: (T, B, ...). threshold: > 0. start_B: e before the first step, (B, ...); None is 0.
    Returns: (T, B, 2, ...) counts, OFF at 0 and ON at 1 as in event cameras, type and device of the signal.
    Raises: ConfigError, DtypeError, ShapeError.
    """
    check_sequence("encode.sigma_delta", signal_TB)
    check_values("encode.sigma_delta", signal_TB, unit=False)
    if not threshold > 0:
        raise ConfigError("encode.sigma_delta.threshold", expected="a threshold > 0", got=str(threshold))
    left_B = torch.zeros_like(signal_TB[0]) if start_B is None else start_B
    counts = []
    for x_B in signal_TB:
        left_B = left_B + x_B
        count_B = torch.round(left_B / threshold)
        left_B = left_B - threshold * count_B
        counts.append(count_B)
    sent_TB = torch.stack(counts)
    return torch.stack([(-sent_TB).clamp(min=0), sent_TB.clamp(min=0)], dim=2)
