"""Frames as they lie in memory, so that sessions find events in them without a dense copy. Axes: T time, B batch."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.kernels import bits
from ranvier.kernels.packed import PackedSpikes


class Frame(NamedTuple):
    """Numbers (B, ...) that lie side by side.

    Args: data: float32 or uint8; with ``packed``, number 8 n + k is bit k of byte n. shape: (B, ...). packed: whether
        the numbers are bits. last: whether channels lie side by side, (B, H, W, C). first: place of the first number.
    """

    data: Tensor
    shape: torch.Size
    packed: bool = False
    last: bool = False
    first: int = 0

    def dense(self) -> Tensor:
        """Return the numbers as contiguous float32."""
        end = self.first + self.shape.numel()
        if self.packed:
            x_N = bits.unpack(self.data[: (end + 7) // 8], end, torch.float32)
        else:
            x_N = self.data.as_strided((end,), (1,)).float()
        x_N = x_N[self.first :]
        if not self.last:
            return x_N.reshape(self.shape)
        b, c, h, w = self.shape
        return x_N.reshape(b, h, w, c).permute(0, 3, 1, 2).contiguous()


def frame_of(x_B: Tensor) -> Frame:
    """See a tensor (B, ...) of real numbers as a frame.

    Packed spikes, uint8, bool and float32 stay where they are if they are contiguous or channels-last; other types are
    converted.
    """
    last = _channels_last(x_B)
    if isinstance(x_B, PackedSpikes):
        if last is not None:
            return Frame(x_B.codes, x_B.shape, x_B.form == "bits", last)
        x_B, last = x_B.dense().contiguous(), False
    x_B = x_B.detach()
    if x_B.dtype == torch.bool:
        x_B = x_B.view(torch.uint8)
    elif x_B.dtype not in (torch.float32, torch.uint8):
        x_B = x_B.float()
    return Frame(x_B if last is not None else x_B.contiguous(), x_B.shape, last=bool(last))


def frames_of(x_TB: Tensor) -> list[Frame]:
    """See a sequence (T, B, ...) as frames."""
    if isinstance(x_TB, PackedSpikes) and x_TB.is_contiguous():
        shape = x_TB.shape[1:]
        numbers = shape.numel()
        return [Frame(x_TB.codes, shape, x_TB.form == "bits", first=t * numbers) for t in range(len(x_TB))]
    return [frame_of(x_B) for x_B in (x_TB.dense() if isinstance(x_TB, PackedSpikes) else x_TB)]


def _channels_last(x_B: Tensor) -> bool | None:
    """Tell how numbers lie; None for neither of the two."""
    if x_B.is_contiguous():
        return False
    return True if x_B.ndim == 4 and x_B.is_contiguous(memory_format=torch.channels_last) else None
