"""Run leaky memory: in the loop with its own way back, or the plain one. T time, B batch, M memory, H hidden units."""

import torch
from torch import Tensor

from ranvier.kernels.memory import loop, reference
from ranvier.kernels.memory.reference import Update

__all__ = ["Update", "run"]


def run(heard_TBH: Tensor, start_BM: Tensor, update: Update) -> Tensor:
    """Compute m[t] = kappa m[t-1] + reach tanh(relu(heard[t] + m[t-1] inward) outward + offset), m[-1] = start.

    Numbers of one type run in the loop with its own way back; compiled code, which fuses by itself, and mixed types, as
    under autocast, in the plain one.

    Args: heard_TBH: what the hidden units hear besides the memory, T >= 1. start_BM: memory before.
    Returns: m, (T, B, M).
    """
    mixed = torch.is_autocast_enabled(heard_TBH.device.type) or any(x.dtype != heard_TBH.dtype for x in update)
    plain = torch.compiler.is_compiling() or mixed or start_BM.dtype != heard_TBH.dtype
    out_TBM: Tensor = (reference if plain else loop).run(heard_TBH, start_BM, update)
    return out_TBM
