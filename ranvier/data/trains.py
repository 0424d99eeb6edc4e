"""Sources of spike trains with known statistics: coins with and without memory. Axes: T time.

A Bernoulli source tosses the same coin at every step. A two-state Markov source remembers its last symbol, so that two
of them can fire equally often and yet differ in how regular they are.
"""

import math

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError


def bernoulli(rate: float, shape: tuple[int, ...], *, dt: float = 1.0, generator: torch.Generator) -> Tensor:
    """Draw trains that fire with probability rate * dt in every step, which is a Poisson process for small steps.

    Args: rate: Hz. shape: (T, ...). dt: ms. Returns: float32 of 0 and 1. Raises: ConfigError.
    """
    share = rate * dt / 1000.0
    if not 0 <= share <= 1:
        raise ConfigError("trains.bernoulli", expected="rate * dt between 0 and 1", got=f"{share:g}")
    return (torch.rand(shape, generator=generator) < share).to(torch.float32)


def markov(p_start: float, p_stop: float, shape: tuple[int, ...], *, generator: torch.Generator) -> Tensor:
    """Draw trains of a two-state Markov chain from its stationary distribution.

    P(1 | 0) = p_start and P(0 | 1) = p_stop. It fires in a share p_start / (p_start + p_stop) of the steps; symbols k
    steps apart correlate by (1 - p_start - p_stop)^k; see ``markov_entropy`` for its entropy rate.

    Args: p_start, p_stop: in (0, 1]. shape: (T, ...). Returns: float32 of 0 and 1. Raises: ConfigError.
    """
    _check(p_start, p_stop)
    drawn = torch.rand(shape, generator=generator)
    out = torch.empty(shape)
    if len(out):
        out[0] = (drawn[0] < p_start / (p_start + p_stop)).to(torch.float32)
    for step in range(1, len(out)):
        out[step] = torch.where(out[step - 1] > 0, drawn[step] >= p_stop, drawn[step] < p_start).to(torch.float32)
    return out


def markov_entropy(p_start: float, p_stop: float) -> float:
    """Compute the entropy rate of a two-state Markov chain, bits a step: sum_s P(s) H(next | s)."""
    _check(p_start, p_stop)
    on = p_start / (p_start + p_stop)
    return (1 - on) * _entropy(p_start) + on * _entropy(p_stop)


def _entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def _check(p_start: float, p_stop: float) -> None:
    for name, p in (("p_start", p_start), ("p_stop", p_stop)):
        if not 0 < p <= 1:
            raise ConfigError(f"trains.markov: {name}", expected="a probability in (0, 1]", got=repr(p))
