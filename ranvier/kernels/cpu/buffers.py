"""Memory of large results, kept when they die and used again: fresh memory costs more than filling it.

A tensor of 64 MiB is handed back to the system when it dies, and the next one of that size is given anew, page by page
as it is written: 3 to 15 ns a number, where a kernel takes 0.3. So results of at least ``SMALLEST`` bytes live in
memory of our own. It belongs to its tensor, and to every view of it, as long as any of them lives; then it is kept for
the next result of its size, at most ``buffer_limit()`` MiB in all, those that waited longest given back first.

Such tensors are like others, save that their storage cannot be resized.
"""

import os
from functools import lru_cache

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.extension import load

SMALLEST = 64 * 1024  # bytes; below, PyTorch's own memory is as fast
VARIABLE = "RANVIER_BUFFERS_MIB"  # environment: the limit at start, in MiB
MIB = 1024 * 1024
MOST = 1024  # MiB: the limit where nobody sets one, if that is no more than an eighth of the machine's memory
_SIZES = {torch.float32: 4, torch.float64: 8, torch.bfloat16: 2, torch.float16: 2, torch.uint8: 1}


@lru_cache(maxsize=1)
def _limit() -> list[int]:
    """Hold the limit in MiB; read from the environment when first asked."""
    text = os.environ.get(VARIABLE)
    if text is not None:
        return [_checked(text, VARIABLE)]
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    except (AttributeError, OSError, ValueError):
        return [MOST // 4]
    return [min(MOST, memory // 8)]


def _checked(value: object, where: str) -> int:
    try:
        mib = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        mib = -1
    if mib < 0:
        raise ConfigError(where, expected="a whole number of MiB, 0 or more", got=repr(value), mend="0 keeps nothing.")
    return int(mib)


@lru_cache(maxsize=1)
def _native() -> object | None:
    """Import the extension and tell it the limit; None where it is absent."""
    machine = load("ranvier.kernels.cpu._machine")
    if isinstance(machine, str):
        return None
    machine.limit_buffers(_limit()[0] * MIB)
    return machine


def buffer_limit() -> int:
    """Return how much memory of dead results is kept at most, in MiB."""
    return _limit()[0]


def set_buffer_limit(mib: int) -> None:
    """Set how much memory of dead results is kept at most, in MiB; what is beyond it is given back now.

    0 keeps nothing, and lets new results use PyTorch's own memory. The environment variable RANVIER_BUFFERS_MIB sets it
    from the start.

    Raises: ConfigError for anything but a whole number >= 0.
    """
    _limit()[0] = _checked(mib, "set_buffer_limit(mib)")
    native = _native()
    if native is not None:
        native.limit_buffers(_limit()[0] * MIB)  # type: ignore[attr-defined]


def idle_buffers() -> int:
    """Return how much memory of dead results is kept now, in bytes."""
    native = _native()
    return int(native.idle_buffer_bytes()) if native is not None else 0  # type: ignore[attr-defined]


def fresh(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Allocate a contiguous result on the CPU, not initialised: floating, or uint8."""
    numbers = 1
    for size in shape:
        numbers *= size
    if numbers * _SIZES[dtype] >= SMALLEST and _limit()[0] > 0:
        native = _native()
        if native is not None:
            made: Tensor = torch.from_dlpack(native.fresh(shape, _SIZES[dtype], dtype == torch.bfloat16))  # type: ignore[attr-defined]
            return made
    return torch.empty(shape, dtype=dtype)
