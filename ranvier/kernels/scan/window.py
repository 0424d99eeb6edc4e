"""A weighted window over the past, written so that chunks give the bits of the whole. T time, B batch, L lags."""

import torch
from torch import Tensor


def window(x_TB: Tensor, before_LB: Tensor, weight_TBL: Tensor) -> Tensor:
    """Compute h[t] = sum over lags l = 0 ... L of weight[t, :, l] x[t - l].

    Sums go in the order of the lags, so that an output does not depend on the sequence it is computed in.

    Args: x_TB: (T, B, ...). before_LB: (L, B, ...), the L inputs before the first, the oldest first. weight_TBL: (T or
        1, B or 1, L + 1), where 1 is the same for all; the first lag is the present.
    Returns: (T, ...).
    """
    T, L = x_TB.shape[0], before_LB.shape[0]
    all_TB = torch.cat([before_LB, x_TB])
    weight = weight_TBL.movedim(-1, 0)
    weight = weight.reshape(*weight.shape, *(1,) * (x_TB.ndim - 2))
    h_TB = weight[0] * x_TB
    for lag in range(1, L + 1):
        h_TB = torch.addcmul(h_TB, all_TB[L - lag : L - lag + T], weight[lag])
    return h_TB
