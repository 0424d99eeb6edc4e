"""Spikes as bits: a 32nd of the memory of float32, and back without loss."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined] # public, though not marked so

from ranvier.kernels.cpu import buffers, machine

_WEIGHTS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Bits:
    """Packed zeros and ones: bit k of the byte n is number 8 n + k of the tensor, as it lies in memory."""

    bytes: Tensor  # (ceil(numbers / 8),) uint8
    like: Tensor  # no memory of its own: a meta tensor with the shape, strides and type of what was packed

    def unpack(self) -> Tensor:
        """Return the tensor that was packed: its values, type and layout."""
        numbers = self.like.numel()
        if _has_machine(self.bytes, self.like.dtype):
            flat = buffers.fresh((numbers,), self.like.dtype)
            machine._machine().unpack(to_dlpack(self.bytes), to_dlpack(flat), torch.get_num_threads())
        else:
            weights = torch.tensor(_WEIGHTS, dtype=torch.uint8, device=self.bytes.device)
            flat = ((self.bytes[:, None] & weights) != 0).flatten()[:numbers].to(self.like.dtype)
        return flat.as_strided(self.like.shape, self.like.stride())


def pack(x: Tensor) -> Bits | None:
    """Pack a floating tensor that holds zeros and ones only; None if it holds anything else, or lies with gaps.

    Looking stops at the first other number, so asking costs little.
    """
    if x.layout != torch.strided or not x.is_floating_point() or x.numel() == 0:
        return None
    if torch.empty_like(x, device="meta").stride() != x.stride():  # which keeps strides where there are no gaps
        return None
    flat = x.detach().as_strided((x.numel(),), (1,))
    like = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    if _has_machine(x, x.dtype):
        made = torch.empty((x.numel() + 7) // 8, dtype=torch.uint8)
        good = machine._machine().pack(to_dlpack(flat), to_dlpack(made), torch.get_num_threads())
        return Bits(made, like) if good else None
    if not bool(((flat == 0) | (flat == 1)).all()):
        return None
    padded = torch.nn.functional.pad(flat != 0, (0, -x.numel() % 8)).view(-1, 8)
    weights = torch.tensor(_WEIGHTS, dtype=torch.uint8, device=x.device)
    return Bits((padded * weights).sum(1, dtype=torch.uint8), like)


def _has_machine(x: Tensor, dtype: torch.dtype) -> bool:
    return x.device.type == "cpu" and dtype in (torch.float32, torch.float64) and machine.absence() is None
