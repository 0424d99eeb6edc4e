"""Linear recurrences by an associative scan: a few operations on the whole sequence instead of T steps.

Two steps in a row, s -> A1 s + b1 and s -> A2 s + b2, are one step with A2 A1 and A2 b1 + b2. So the sequence is cut
into runs of RUN steps that are computed side by side; their ends form a sequence of T / RUN steps, which is treated in
the same way (Blelloch 1990, Prefix sums and their applications, section 1.4). That is 2 T additions and RUN log(T)
operations. Sums are taken in another order than by the loop: results agree to rounding, not to the last bit, and depend
to that extent on where a sequence is cut.

T time, K state variables, C runs, R steps of a run; all further axes are elementwise and broadcast.
"""

from typing import Any

import torch
from torch import Tensor

RUN = 16


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
    T, shape = b_TK.shape[0], (b_TK[:1] + start_K).shape[1:]
    if T == 0:
        return b_TK + start_K  # of no steps
    num_runs, fixed = -(-T // RUN), A_TKK.shape[0] == 1
    length = RUN if num_runs > 1 else T
    b_CRK = _padded(b_TK.expand(T, *shape), num_runs).reshape(num_runs, length, *shape)
    A_CRKK = A_TKK.unsqueeze(1) if fixed else _padded(A_TKK, num_runs).reshape(num_runs, length, *A_TKK.shape[1:])
    # Every run on its own, from 0, and what its first steps do to the state that it would have started from.
    parts, jumps = [b_CRK[:, 0]], [A_CRKK[:, 0]]
    for r in range(1, length):
        A_CKK = A_CRKK[:, 0 if fixed else r]
        parts.append(_apply(A_CKK, parts[-1]) + b_CRK[:, r])
        jumps.append(_times(A_CKK, jumps[-1]))
    if num_runs == 1:
        before_CK = start_K.expand(shape).unsqueeze(0)
    else:
        ends_CK = _joined(jumps[-1], parts[-1], start_K)
        before_CK = torch.cat([start_K.expand(shape).unsqueeze(0), ends_CK[:-1]])
    s_RCK = [part + _apply(jump, before_CK) for part, jump in zip(parts, jumps, strict=True)]
    return torch.stack(s_RCK, 1).flatten(0, 1)[:T]


def _padded(x_T: Tensor, num_runs: int) -> Tensor:
    """Add zeros at the end, so that all runs have one length."""
    T = x_T.shape[0]
    missing = -T % RUN if num_runs > 1 else 0
    return torch.cat([x_T, x_T.new_zeros(missing, *x_T.shape[1:])]) if missing else x_T


def _apply(A_TKK: Tensor, s_TK: Tensor) -> Tensor:
    return (A_TKK * s_TK.unsqueeze(1)).sum(2)


def _times(A_TKK: Tensor, B_TKK: Tensor) -> Tensor:
    return (A_TKK.unsqueeze(3) * B_TKK.unsqueeze(1)).sum(2)


def _sum_to(x: Tensor, shape: torch.Size) -> Tensor:
    """Add up over the axes along which something of that shape was spread."""
    return x.sum_to_size(shape) if x.shape != shape else x
