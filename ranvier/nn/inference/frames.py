"""Frames that come into a compiled network. Axes: B batch."""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, DtypeError, ShapeError
from ranvier.kernels.packed import PackedSpikes
from ranvier.kernels.sparse.frames import Frame, frames_of

WHERE = "event-driven network"


def check_frame(frame_B: Tensor) -> Tensor:
    """Refuse what is no frame (B, ...). Raises: ShapeError, DtypeError."""
    if not isinstance(frame_B, Tensor):
        raise DtypeError(WHERE, expected="a tensor (B, ...)", got=f"a {type(frame_B).__name__}")
    if frame_B.ndim < 2:
        mend = "A batch of one is x.unsqueeze(0)."
        raise ShapeError(WHERE, expected="a frame (B, ...)", got=str(tuple(frame_B.shape)), mend=mend)
    return frame_B


def as_frames(x_TB: Tensor) -> list[Frame]:
    """See a sequence (T, B, ...) as frames. Raises: ConfigError, DtypeError."""
    _check_numbers(x_TB)
    return frames_of(x_TB)


def as_input(x: Tensor) -> Tensor:
    """Turn what is given into contiguous float32. Raises: ConfigError, DtypeError."""
    _check_numbers(x)
    plain = x.dense() if isinstance(x, PackedSpikes) else x
    return plain.detach().to(torch.float32).contiguous()


def _check_numbers(x: Tensor) -> None:
    if x.is_complex():
        raise DtypeError(WHERE, expected="real numbers", got=str(x.dtype))
    if x.device.type != "cpu":
        raise ConfigError(WHERE, expected="frames in main memory", got=str(x.device), mend="Move them by .cpu().")
