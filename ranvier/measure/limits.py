"""What this machine can do at best: the bandwidth of memory and the rate of matrix products, measured now."""

import time
from collections.abc import Callable

import torch

_COPIED = 1 << 24  # numbers; 64 MiB, more than any cache


def copy_bandwidth(*, rounds: int = 9) -> float:
    """Return what copying 64 MiB reaches at best, bytes/s; bytes read and bytes written both count."""
    source, target = torch.ones(_COPIED), torch.zeros(_COPIED)
    return 8 * _COPIED / _best(lambda: target.copy_(source), rounds)


def product_rate(dtype: torch.dtype = torch.float32, *, size: int = 1024, rounds: int = 9) -> float:
    """Return what a product of two square matrices reaches at best, operations/s; one multiply-add is two.

    Args: dtype: of the matrices. size: rows of each.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator).to(dtype) for _ in range(2))
    return 2 * size**3 / _best(lambda: a @ b, rounds)


def _best(run: Callable[[], object], rounds: int) -> float:
    run()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)
