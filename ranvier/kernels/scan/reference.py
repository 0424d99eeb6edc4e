"""Linear recurrences as a loop over time: this defines what is right. T time, K state variables."""

import torch
from torch import Tensor


def scan(A_TKK: Tensor, b_TK: Tensor, start_K: Tensor) -> Tensor:
    """Compute s[t] = A[t] s[t-1] + b[t], s[-1] = start, elementwise in all further axes.

    Args: A_TKK: (T or 1, K, K, ...); a first axis of 1 means the same at all steps. b_TK: (T, K, ...). start_K:
        (K, ...). Axes after K broadcast.
    Returns: s, (T, K, ...).
    """
    rows, s_K = [], start_K
    for t in range(b_TK.shape[0]):
        A_KK = A_TKK[t if A_TKK.shape[0] > 1 else 0]
        s_K = (A_KK * s_K).sum(1) + b_TK[t]
        rows.append(s_K)
    return torch.stack(rows) if rows else b_TK
