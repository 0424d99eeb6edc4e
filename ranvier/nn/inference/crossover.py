"""From which density on a dense product is faster than events: measured, on this machine and for these sizes."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from ranvier.kernels.sparse import native, reference
from ranvier.kernels.sparse.sizes import sizes_of
from ranvier.kernels.sparse.stages import Product
from ranvier.nn.inference.runner import exchanges

_DENSITIES = (0.02, 0.1, 0.25, 0.5, 1.0)
_ROUNDS = 3
NEVER = 1.0


def measure(stage: Product, batch: int, shape: tuple[int, ...], *, compiled: bool) -> float:
    """Find the share of inputs that are events at which the two take the same time.

    Args: shape: of the stage's input, without batch. Returns: NEVER if events are faster even where all inputs fire.
    """
    stage = replace(stage, crossover=NEVER)
    kind = native.Session if compiled else reference.Session
    exchange = exchanges([stage], batch, shape)
    session = kind([stage], batch, sizes_of(shape), exchange)
    session.bind([])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(batch, *shape, generator=generator)
    given, result = exchange[0]  # type: ignore[misc]
    given.zero_()
    threads = torch.get_num_threads()
    dense = _seconds(lambda: result.copy_(stage.dense(given).reshape(result.shape)))
    before = (0.0, 0.0)
    for density in _DENSITIES:
        frames = (drawn < density).float()
        seconds = _seconds(lambda frames=frames: session.start(frames, threads))  # type: ignore[misc]
        if seconds > dense:
            low, fast = before
            share = (dense - fast) / (seconds - fast) if seconds > fast else 1.0
            return max(0.0, low + (density - low) * share)
        before = (density, seconds)
    return NEVER


def _seconds(work: Callable[[], object]) -> float:
    work()
    found = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)
