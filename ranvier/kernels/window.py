"""The front door of weighted windows over the past, on whatever executor fits. T time, B batch, L lags."""

import torch
from torch import Tensor

from ranvier.kernels import scan
from ranvier.kernels.gpu import absence
from ranvier.kernels.gpu import window as gpu


def window(x_TB: Tensor, before_LB: Tensor, weight_TBL: Tensor) -> Tensor:
    """Compute h[t] = sum over lags l = 0 ... L of weight[t, :, l] x[t - l], in the order of the lags.

    On a GPU by a kernel that reads each input once; elsewhere by torch's operators, a lag at a time.

    Args: x_TB: (T, B, ...). before_LB: (L, B, ...), the L inputs before the first, the oldest first. weight_TBL: (T or
        1, B or 1, L + 1), where 1 is the same for all; the first lag is the present. One type: float32 or float64.
    Returns: (T, B, ...). Differentiable; on a GPU once.
    """
    # A compiled graph cannot look for packages; torch's compiler needs Triton itself on a GPU.
    on_gpu = x_TB.is_cuda and (torch.compiler.is_compiling() or absence() is None)
    return (gpu.window if on_gpu else scan.window)(x_TB, before_LB, weight_TBL)
