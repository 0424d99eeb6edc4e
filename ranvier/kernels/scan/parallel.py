"""Linear recurrences by an associative scan: log2(T) passes over the sequence instead of T steps.

Two steps in a row, s -> A1 s + b1 and s -> A2 s + b2, are one step with A2 A1 and A2 b1 + b2. So pairs of steps are
joined, then pairs of pairs (Hillis and Steele 1986, Commun. ACM 29:1170). Sums are taken in another order than by the
loop: results agree to rounding, not to the last bit, and depend to that extent on where a sequence is cut.

T time, K state variables; all further axes are elementwise and broadcast.
"""

from typing import Any

import torch
from torch import Tensor


def scan(A_TKK: Tensor, b_TK: Tensor, start_K: Tensor) -> Tensor:
    """Compute s[t] = A[t] s[t-1] + b[t], s[-1] = start; see ``reference.scan``. Differentiable, twice too."""
    out: Tensor = _Scan.apply(A_TKK, b_TK, start_K)  # type: ignore[no-untyped-call]
    return out


class _Scan(torch.autograd.Function):
    """The gradient of a linear recurrence is one that runs back: g[t] = dL/ds[t] + A[t+1]^T g[t+1]."""

    @staticmethod
    def forward(ctx: Any, A_TKK: Tensor, b_TK: Tensor, start_K: Tensor) -> Tensor:
        s_TK = _joined(A_TKK, b_TK, start_K)
        ctx.save_for_backward(A_TKK, start_K, s_TK)
        ctx.shape = b_TK.shape
        return s_TK

    @staticmethod
    def backward(ctx: Any, grad_TK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        A_TKK, start_K, s_TK = ctx.saved_tensors
        transposed = A_TKK.transpose(1, 2).flip(0)
        if A_TKK.shape[0] > 1:  # of the step after; at the last step there is none, and nothing comes back
            transposed = transposed.roll(1, 0)
        nothing_K = torch.zeros_like(grad_TK[:1].sum(0)) if len(grad_TK) else torch.zeros_like(start_K)
        g_TK = scan(transposed, grad_TK.flip(0), nothing_K).flip(0)
        before_TK = torch.cat([start_K.expand(s_TK.shape[1:]).unsqueeze(0), s_TK])[: len(s_TK)]
        d_A = _sum_to(g_TK.unsqueeze(2) * before_TK.unsqueeze(1), A_TKK.shape)
        d_start = (A_TKK[0].transpose(0, 1) * g_TK[0]).sum(1) if len(g_TK) else nothing_K
        return d_A, _sum_to(g_TK, ctx.shape), _sum_to(d_start, start_K.shape)


def _joined(A_TKK: Tensor, b_TK: Tensor, start_K: Tensor) -> Tensor:
    T = b_TK.shape[0]
    if T == 0:
        return b_TK + start_K  # of no steps
    first_K = _apply(A_TKK[:1], start_K.unsqueeze(0)) + b_TK[:1]
    s_TK = torch.cat([first_K, b_TK[1:].expand(-1, *first_K.shape[1:])])
    fixed = A_TKK.shape[0] == 1
    # What a step, and then a run of 2, 4, ... steps that end at it, does to the state before.
    jump = A_TKK if fixed else A_TKK.clone()
    reach = 1
    while reach < T:
        moved = _apply(jump if fixed else jump[reach:], s_TK[:-reach])
        s_TK = torch.cat([s_TK[:reach], s_TK[reach:] + moved])
        jump = _times(jump, jump) if fixed else torch.cat([jump[:reach], _times(jump[reach:], jump[:-reach])])
        reach *= 2
    return s_TK


def _apply(A_TKK: Tensor, s_TK: Tensor) -> Tensor:
    return (A_TKK * s_TK.unsqueeze(1)).sum(2)


def _times(A_TKK: Tensor, B_TKK: Tensor) -> Tensor:
    return (A_TKK.unsqueeze(3) * B_TKK.unsqueeze(1)).sum(2)


def _sum_to(x: Tensor, shape: torch.Size) -> Tensor:
    """Add up over the axes along which something of that shape was spread."""
    return x.sum_to_size(shape) if x.shape != shape else x
