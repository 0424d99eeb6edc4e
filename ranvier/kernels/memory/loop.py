"""Leaky memory with a way back of its own: gradients of weights are one product over all steps, not one a step.

Going forward the operations are those of the reference, in buffers that are written once; results agree to rounding.
T time, B batch, M memory units, H hidden units.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ranvier.kernels.memory.reference import Update


def run(heard_TBH: Tensor, start_BM: Tensor, update: Update) -> Tensor:
    """Compute what ``reference.run`` computes; differentiable once."""
    out: Tensor = _Memory.apply(heard_TBH, start_BM, *update)  # type: ignore[no-untyped-call]
    return out


class _Memory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heard_TBH: Tensor, start_BM: Tensor, *numbers: Tensor) -> Tensor:
        update = Update(*numbers)
        m_TBM = heard_TBH.new_empty(*heard_TBH.shape[:2], start_BM.shape[1])
        moved_TBM, hidden_TBH = torch.empty_like(m_TBM), torch.empty_like(heard_TBH)
        m_BM, kept_BM = start_BM, torch.empty_like(start_BM)
        for heard_BH, hidden_BH, moved_BM, next_BM in zip(heard_TBH, hidden_TBH, moved_TBM, m_TBM, strict=True):
            torch.addmm(heard_BH, m_BM, update.inward_MH, out=hidden_BH).relu_()
            torch.addmm(update.offset_M, hidden_BH, update.outward_HM, out=moved_BM).tanh_()
            torch.mul(update.kappa_M, m_BM, out=kept_BM)
            m_BM = torch.addcmul(kept_BM, update.reach_M, moved_BM, out=next_BM)
        ctx.save_for_backward(start_BM, m_TBM, moved_TBM, hidden_TBH, *numbers)
        return m_TBM

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBM: Tensor) -> tuple[Tensor, ...]:
        start_BM, m_TBM, moved_TBM, hidden_TBH, *numbers = ctx.saved_tensors
        update = Update(*numbers)
        back_HM, back_MH = update.inward_MH.T.contiguous(), update.outward_HM.T.contiguous()
        # What each step's gradient is multiplied with, for all steps at once; then overwritten by the gradients.
        d_moved_TBM = update.reach_M * (1 - moved_TBM.square())
        d_hidden_TBH = (hidden_TBH > 0).to(hidden_TBH.dtype)
        d_m_TBM = grad_TBM.clone(memory_format=torch.contiguous_format)
        came_BM = torch.zeros_like(start_BM)
        for d_m_BM, d_moved_BM, d_hidden_BH in zip(
            reversed(d_m_TBM.unbind()),
            reversed(d_moved_TBM.unbind()),
            reversed(d_hidden_TBH.unbind()),
            strict=True,
        ):
            d_m_BM.add_(came_BM)
            d_moved_BM.mul_(d_m_BM)
            d_hidden_BH.mul_(d_moved_BM @ back_MH)
            torch.mul(update.kappa_M, d_m_BM, out=came_BM).addmm_(d_hidden_BH, back_HM)
        before_TBM = torch.cat([start_BM.unsqueeze(0), m_TBM[:-1]])
        rows = [x.flatten(0, 1) for x in (before_TBM, d_hidden_TBH, hidden_TBH, d_moved_TBM)]
        return (
            d_hidden_TBH,
            came_BM,
            rows[0].T @ rows[1],
            rows[2].T @ rows[3],
            rows[3].sum(0),
            (d_m_TBM * before_TBM).sum((0, 1)),
            (d_m_TBM * moved_TBM).sum((0, 1)),
        )
