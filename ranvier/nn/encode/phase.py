"""Phase code: a spike weighs 2^-(1 + phase). Source: Kim et al. 2018, Neurocomputing 311:373.

Axes: T time, B batch.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn.encode.values import check_values


def phase(values_B: Tensor, *, num_phases: int = 8, num_steps: int | None = None) -> Tensor:
    """Encode values as their binary digits, one a step, the most significant first, over and over.

    s[t] is digit k = t mod K of floor(x * 2^K), at most 2^K - 1, so that sum over a period of s[t] * 2^-(1 + k) is x
    to within 2^-K.

    Args: values_B: (B, ...) in [0, 1]. num_phases: K, at most 24. num_steps: length; None is one period.
    Returns: (T, B, ...) of 0 and 1, type and device of the values.
    Raises: ConfigError, DtypeError.
    """
    length = num_phases if num_steps is None else num_steps
    check_values("encode.phase", values_B, num_steps=length)
    if not 1 <= num_phases <= 24:  # float32 holds 24 digits
        raise ConfigError("encode.phase.num_phases", expected="1 to 24 phases", got=str(num_phases))
    whole_B = (values_B.double() * 2**num_phases).floor().clamp(max=2**num_phases - 1).to(torch.int64)
    shifts_T = num_phases - 1 - torch.arange(length, device=values_B.device) % num_phases
    digits_TB = torch.bitwise_right_shift(whole_B, shifts_T.reshape(-1, *(1,) * values_B.ndim)) & 1
    return digits_TB.to(values_B.dtype)
