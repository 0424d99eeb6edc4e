"""Delta code, ON and OFF apart. Source: Lichtsteiner, Posch and Delbruck 2008, JSSC 43:566 (event camera).

Axes: T time, B batch, P polarity.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.encode.values import check_values
from ranvier.nn.inputs import check_sequence


def delta(signal_TB: Tensor, *, threshold: float, start_B: Tensor | None = None) -> Tensor:
    """Encode a signal as counts of threshold crossings: send on delta.

    n = trunc((x[t] - r) / threshold); r <- r + n * threshold: the reference r follows the signal to within a
    threshold. |n| spikes are sent, ON where n > 0 and OFF where n < 0.

    Args: signal_TB: (T, B, ...). threshold: > 0. start_B: r before the first step, (B, ...); None is x[0].
    Returns: (T, B, 2, ...) counts, OFF at 0 and ON at 1 as in event cameras, type and device of the signal.
    Raises: ConfigError, DtypeError, ShapeError.
    """
    check_sequence("encode.delta", signal_TB)
    check_values("encode.delta", signal_TB, unit=False)
    if not threshold > 0:
        raise ConfigError("encode.delta.threshold", expected="a threshold > 0", got=str(threshold))
    start_B = signal_TB[0] if start_B is None else start_B
    level_B, counts = torch.zeros_like(signal_TB[0]), []
    for x_B in signal_TB:
        # The reference is counted in whole thresholds, so it does not drift by rounding.
        moved_B = torch.trunc((x_B - start_B) / threshold - level_B)
        level_B = level_B + moved_B
        counts.append(moved_B)
    moved_TB = torch.stack(counts)
    return torch.stack([(-moved_TB).clamp(min=0), moved_TB.clamp(min=0)], dim=2)
