"""Randomness that is asked for: every random choice takes a generator, derived from one seed and a path of names.

``generator(seed, "data", epoch, index)`` gives the same stream whatever was drawn elsewhere, in whatever order and
by however many workers.
"""

import hashlib

import numpy as np
import torch


def derive(seed: int, *path: str | int) -> int:
    """Derive a 63-bit seed from a seed and a path of names and numbers (SHA-256, so that near paths are unrelated)."""
    words = "/".join(f"{type(part).__name__}:{part}" for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *path: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a torch generator for this seed and path."""
    return torch.Generator(device=device).manual_seed(derive(seed, *path))


def numpy_generator(seed: int, *path: str | int) -> np.random.Generator:
    """Make a numpy generator (PCG64) for this seed and path."""
    return np.random.default_rng(derive(seed, *path))
