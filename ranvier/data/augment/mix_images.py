"""Mixing the images of a batch, and their labels with them.

Letters: T time, B batch, C channels, H W space, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import numpy_generator
from ranvier.data.augment.parts import check_probability
from ranvier.data.loader import LabelledSet, Loader


@dataclass(frozen=True, slots=True, kw_only=True)
class MixImages:
    """Mixup or CutMix of a batch with itself in another order; the default changes nothing.

    A share s ~ Beta(a, a) is drawn for the batch. Mixup: x = s x + (1 - s) x', y = s y + (1 - s) y'. CutMix: a box
    of the share 1 - s, with its centre uniform and cut at the border, is taken from x', and the labels are mixed by
    the areas that came about. With both, each has an even chance.

    Args: mixup, cutmix: a, 0 for never. probability: that a batch is mixed at all. epochs: mixing ends after so many
        epochs; None: never.
    Raises: ConfigError for numbers that make no sense.
    Source: Zhang et al. 2018, arXiv:1710.09412 (mixup); Yun et al. 2019, arXiv:1905.04899 (CutMix).
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    probability: float = 1.0
    epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ("mixup", "cutmix"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"MixImages.{name}", expected="a number >= 0", got=repr(getattr(self, name)))
        check_probability("MixImages.probability", self.probability)
        if self.epochs is not None and self.epochs < 0:
            raise ConfigError("MixImages.epochs", expected="a number >= 0, or None", got=repr(self.epochs))

    @property
    def idle(self) -> bool:
        """Whether nothing is ever mixed."""
        return (not self.mixup and not self.cutmix) or self.probability == 0 or self.epochs == 0

    def __call__(
        self, inputs_TB: Tensor, targets_B: Tensor, num_classes: int, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Args: inputs_TB: (T, B, C, H, W). targets_B: classes.
        Returns: the mixed inputs, and shares of classes (B, K) that add up to 1.
        """
        if inputs_TB.ndim != 5:
            raise ShapeError("MixImages", expected="images (T, B, C, H, W)", got=str(tuple(inputs_TB.shape)))
        labels_BK = one_hot(targets_B, num_classes).to(inputs_TB.dtype)
        if random.random() >= self.probability:
            return inputs_TB, labels_BK
        cut = bool(self.cutmix) and (not self.mixup or random.random() < 0.5)
        strength = self.cutmix if cut else self.mixup
        share = float(random.beta(strength, strength))
        order = torch.from_numpy(random.permutation(len(targets_B)))
        if cut:
            inputs_TB, share = _pasted(inputs_TB, inputs_TB[:, order], share, random)
        else:
            inputs_TB = share * inputs_TB + (1 - share) * inputs_TB[:, order]
        return inputs_TB, share * labels_BK + (1 - share) * labels_BK[order]


def _pasted(x_TB: Tensor, other_TB: Tensor, share: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Put a box of the second batch into the first. Returns: the batch, and the share of the first that is left."""
    side = (1 - share) ** 0.5
    box = []
    for length in x_TB.shape[-2:]:
        centre, half = random.integers(length), side * length / 2
        box.append(slice(max(0, round(centre - half)), min(length, round(centre + half))))
    mixed = x_TB.clone()
    mixed[..., box[0], box[1]] = other_TB[..., box[0], box[1]]
    covered = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
    return mixed, 1 - covered / (x_TB.shape[-2] * x_TB.shape[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixing:
    """A loader whose batches are mixed by (seed, epoch, number of the batch): shares of classes become the targets.

    Args: loader: gives images with classes. mix: how. num_classes: K. seed: of what is drawn.
    """

    loader: Loader[Any]
    mix: MixImages
    num_classes: int
    seed: int = 0

    @property
    def samples(self) -> LabelledSet[Any]:
        """What the batches are made of."""
        return self.loader.samples

    @property
    def num_batches(self) -> int:
        """The number of batches of an epoch."""
        return self.loader.num_batches

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ``(inputs_TBCHW, targets_BK)`` of an epoch from batch ``start`` on."""
        over = self.mix.epochs is not None and epoch >= self.mix.epochs
        for number, (inputs_TB, targets_B) in enumerate(self.loader.batches(epoch, start), start):
            if over:
                yield inputs_TB, one_hot(targets_B, self.num_classes).to(inputs_TB.dtype)
            else:
                random = numpy_generator(self.seed, "mix", epoch, number)
                yield self.mix(inputs_TB, targets_B, self.num_classes, random)
