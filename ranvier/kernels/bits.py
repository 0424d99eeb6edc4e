"""Zeros and ones as bits: a 32nd of the memory of float32, and back without loss. N numbers."""

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined] # public, though not marked so

from ranvier.kernels.cpu import buffers, machine

_WEIGHTS = (1, 2, 4, 8, 16, 32, 64, 128)
_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def pack(x_N: Tensor) -> Tensor | None:
    """Pack zeros and ones: bit k of the byte n is number 8 n + k. None if there are other numbers.

    Args: x_N: floating, without gaps. Looking stops at the first other number, so asking costs little.
    Returns: (ceil(N / 8),) uint8.
    """
    if _has_machine(x_N, x_N.dtype) and x_N.numel():
        made = buffers.fresh(((x_N.numel() + 7) // 8,), torch.uint8)
        good = machine._machine().pack(to_dlpack(x_N.detach()), to_dlpack(made), torch.get_num_threads())
        return made if good else None
    if not bool(((x_N == 0) | (x_N == 1)).all()):
        return None
    padded = torch.nn.functional.pad(x_N != 0, (0, -x_N.numel() % 8)).view(-1, 8)
    weights = torch.tensor(_WEIGHTS, dtype=torch.uint8, device=x_N.device)
    return (padded * weights).sum(1, dtype=torch.uint8)


def unpack(bits: Tensor, numbers: int, dtype: torch.dtype) -> Tensor:
    """Return the (N,) zeros and ones that were packed, in a floating type."""
    if _has_machine(bits, dtype) and numbers:
        wide = dtype in (torch.float32, torch.float64)
        made = buffers.fresh((numbers,), dtype) if wide else torch.empty(numbers, dtype=dtype)
        machine._machine().unpack(to_dlpack(bits), to_dlpack(made), torch.get_num_threads())
        return made
    weights = torch.tensor(_WEIGHTS, dtype=torch.uint8, device=bits.device)
    return ((bits[:, None] & weights) != 0).flatten()[:numbers].to(dtype)


def _has_machine(x: Tensor, dtype: torch.dtype) -> bool:
    plain = type(x) in (Tensor, torch.nn.Parameter) and x.device.type == "cpu"
    return plain and dtype in _TYPES and machine.absence() is None
