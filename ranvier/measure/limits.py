"""What this machine can do at best: the bandwidth of memory and the rate of matrix products, measured now."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

_COPIED = 1 << 24  # numbers; 64 MiB, more than any cache


def copy_bandwidth(*, rounds: int = 15) -> float:
    """Return what copying 64 MiB reaches at best, bytes/s; bytes read and bytes written both count.

    The better of torch's copy and of the C library's, which goes around the caches; as many threads as torch has.
    """
    source, target = torch.ones(_COPIED), torch.zeros(_COPIED)
    threads = torch.get_num_threads()
    parts = [slice(k * _COPIED // threads, (k + 1) * _COPIED // threads) for k in range(threads)]
    a, b = source.numpy(), target.numpy()
    with ThreadPoolExecutor(threads) as pool:
        by_library = _best(lambda: list(pool.map(lambda part: np.copyto(b[part], a[part]), parts)), rounds)
    return 8 * _COPIED / min(by_library, _best(lambda: target.copy_(source), rounds))


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
