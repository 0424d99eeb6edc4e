"""The compiled module; see csrc/passes/module.cpp. Each pass gives the number of the first event it refuses, or -1."""

from typing import Any

from numpy.typing import NDArray

_Column = NDArray[Any]
_Size = tuple[int, int]  # height, width

def unsound(t: _Column, x: _Column, y: _Column, polarity: _Column, size: _Size) -> int: ...
def frames(
    x: _Column, y: _Column, polarity: _Column, size: _Size, borders: _Column, shrink: int, exact: int, out: _Column
) -> int: ...
def voxels(
    t: _Column, x: _Column, y: _Column, polarity: _Column, size: _Size, start: int, span: int, num_bins: int,
    channels: int, out: _Column,
) -> int: ...  # fmt: skip
def supported(t: _Column, x: _Column, y: _Column, size: _Size, window: int, num: int, kept: _Column) -> int: ...
def dense(
    t: _Column, x: _Column, y: _Column, size: _Size, window: int, radius: int, num: int, kept: _Column
) -> int: ...
def hats(
    t: _Column, x: _Column, y: _Column, polarity: _Column, size: _Size, cell: int, radius: int, weight: _Column,
    total: _Column, count: _Column,
) -> int: ...  # fmt: skip
