"""Leaky memory as a loop over time: this defines what is right. T time, B batch, M memory units, H hidden units."""

from typing import NamedTuple

import torch
from torch import Tensor


class Update(NamedTuple):
    """How memory changes in a step."""

    inward_MH: Tensor  # from the memory before, to the hidden units
    outward_HM: Tensor  # from the hidden units
    offset_M: Tensor
    kappa_M: Tensor  # what is kept of the memory before
    reach_M: Tensor  # how far an update moves


def run(heard_TBH: Tensor, start_BM: Tensor, update: Update) -> Tensor:
    """Compute m[t] = kappa m[t-1] + reach tanh(relu(heard[t] + m[t-1] inward) outward + offset), m[-1] = start.

    Args: heard_TBH: what the hidden units hear besides the memory, T >= 1.
    Returns: m, (T, B, M).
    """
    m_BM, rows = start_BM, []
    for heard_BH in heard_TBH.unbind():
        hidden_BH = torch.addmm(heard_BH, m_BM, update.inward_MH).relu()
        moved_BM = torch.addmm(update.offset_M, hidden_BH, update.outward_HM).tanh()
        m_BM = torch.addcmul(update.kappa_M * m_BM, update.reach_M, moved_BM)
        rows.append(m_BM)
    return torch.stack(rows)
