"""Two digits one after the other, and their sum to be told: a task that needs a memory as long as a digit.

Source: Spieler et al. 2024, ICLR, arXiv:2306.16922 (SHD-Adding). Axes: T time, C channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data.loader import LabelledSet

DIGITS = 10


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Adding:
    """Pairs of samples, drawn with replacement, joined in time; the label is the sum of their digits.

    label = (label1 mod 10) + (label2 mod 10): SHD has ten digits in two languages. Pair i depends on the seed and i.

    Args: digits: samples (T, C) of one length. num: pairs. seed: of the drawing.
    Raises: ConfigError, ShapeError for an empty set.
    """

    digits: LabelledSet[Tensor]
    num: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num < 1:
            raise ConfigError("Adding.num", expected="at least 1 pair", got=str(self.num))
        if not len(self.digits):
            raise ShapeError("Adding.digits", expected="at least one sample", got="none")

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return a pair (2 T, C) and its sum, 0 to 18."""
        if not 0 <= index < self.num:
            raise IndexError(index)
        draw = generator(self.seed, "adding", index)
        places = torch.randint(len(self.digits), (2,), generator=draw).tolist()
        (first, a), (second, b) = (self.digits[place] for place in places)
        return torch.cat([first, second]), a % DIGITS + b % DIGITS
