"""Spike motifs, a stand-in for recorded digits: each class is one pattern of spikes, seen through loss and noise.

Axes: T time, C channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Motifs:
    """Samples (T, C) of 0 and 1 with labels, by index: sample i is of class i mod ``classes``.

    A class is a pattern in which each place holds a spike with probability ``rate``. A sample loses each spike with
    probability ``loss`` and gains one at each place with probability ``noise``.

    Args: num: samples. steps: T. channels: C. seed: of the patterns. part: name of what is drawn for the samples, such
        as "train": other names share the patterns but neither losses nor noise.
    Raises: ConfigError.
    """

    num: int
    classes: int = 10
    steps: int = 25
    channels: int = 30
    rate: float = 0.15
    loss: float = 0.2
    noise: float = 0.02
    seed: int = 0
    part: str = "train"

    def __post_init__(self) -> None:
        require_counts("Motifs.", self, "num", "classes", "steps", "channels")
        for name in ("rate", "loss", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"Motifs.{name}", expected="a share in [0, 1]", got=str(getattr(self, name)))

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not 0 <= index < self.num:
            raise IndexError(index)
        label, shape = index % self.classes, (self.steps, self.channels)
        pattern = torch.rand(shape, generator=generator(self.seed, "motif", label)) < self.rate
        draw = generator(self.seed, self.part, index)
        kept = pattern & (torch.rand(shape, generator=draw) >= self.loss)
        return (kept | (torch.rand(shape, generator=draw) < self.noise)).float(), label
