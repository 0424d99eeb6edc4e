"""How maps lie in memory: channels last. Axes: B batch, C channels, H height, W width, L length."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Sizes(NamedTuple):
    """Sizes of a map; (1, 1, N) for N numbers without space."""

    height: int
    width: int
    channels: int

    @property
    def total(self) -> int:
        """Numbers in a map."""
        return self.height * self.width * self.channels


def sizes_of(shape: Sequence[int]) -> Sizes:
    """Sizes of a map for the shape of a frame without batch: (N,), (C, L), (C, H, W); others as one axis."""
    if len(shape) == 2:
        return Sizes(1, shape[1], shape[0])
    if len(shape) == 3:
        return Sizes(shape[1], shape[2], shape[0])
    return Sizes(1, 1, math.prod(shape))


def to_last(x_B: Tensor) -> Tensor:
    """See (B, ...) as (B, H, W, C); a view where strides allow."""
    if x_B.ndim == 3:
        return x_B.permute(0, 2, 1).unsqueeze(1)
    if x_B.ndim == 4:
        return x_B.permute(0, 2, 3, 1)
    return x_B.reshape(x_B.shape[0], 1, 1, -1)


def from_last(map_BHWC: Tensor, shape: Sequence[int]) -> Tensor:
    """See (B, H, W, C) as (B, *shape), the inverse of ``to_last``."""
    if len(shape) == 2:
        return map_BHWC.squeeze(1).permute(0, 2, 1)
    if len(shape) == 3:
        return map_BHWC.permute(0, 3, 1, 2)
    return map_BHWC.reshape(map_BHWC.shape[0], *shape)
