"""Hiding square patches of images, and the pixels of those patches as targets.

Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", CVPR, arXiv:2111.06377, section 3.
Letters: T time, B batch, C channels, H W space, L patches in rows, P = C p p values of a patch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data.loader import LabelledSet, Loader


def to_patches(images_BCHW: Tensor, patch: int) -> Tensor:
    """Cut images into squares of patch x patch pixels: (B, L, P), in rows from the top left.

    Raises: ShapeError if they do not fit without a rest.
    """
    batch, channels, height, width = images_BCHW.shape
    if patch < 1 or height % patch or width % patch:
        expected, got = f"images of whole patches of {patch} pixels", f"{height} x {width}"
        raise ShapeError("to_patches", expected=expected, got=got)
    rows, columns = height // patch, width // patch
    cut = images_BCHW.reshape(batch, channels, rows, patch, columns, patch)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * patch * patch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """How patches are hidden.

    Args: patch: pixels along a side. ratio: share of the patches of each image that is hidden, rounded to whole
        patches, at least one hidden and one visible; which ones is drawn anew for each image.
    Raises: ConfigError for numbers that make no sense.
    """

    patch: int = 16
    ratio: float = 0.75

    def __post_init__(self) -> None:
        if self.patch < 1:
            raise ConfigError("Masking.patch", expected="a number of pixels >= 1", got=repr(self.patch))
        if not 0 < self.ratio < 1:
            raise ConfigError("Masking.ratio", expected="a share in (0, 1)", got=repr(self.ratio))

    def draw(self, batch: int, num_patches: int, random: torch.Generator) -> Tensor:
        """Draw which patches are visible: (B, L) boolean, the same number in every image."""
        hidden = min(max(round(self.ratio * num_patches), 1), num_patches - 1)
        order = torch.rand(batch, num_patches, generator=random).argsort(1)
        return order.argsort(1) >= hidden


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedBatches:
    """A loader of images whose labels are not looked at: hidden patches become the targets.

    Inputs get one channel more, 1 where a pixel is visible and 0 where it is hidden; the pixels themselves are all
    there, and it is for the network to look at the visible ones alone. Masks depend on seed, epoch and number of the
    batch.

    Args: loader: gives still images (T, B, C, H, W). masking: how. seed: of what is drawn.
    """

    loader: Loader[Any]
    masking: Masking
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
        """Yield inputs (T, B, C + 1, H, W) and targets (B, L, 1 + P): whether a patch is hidden, and its pixels.

        The pixels of a patch are normalised by their own mean and deviation (with 1e-6 added).
        """
        patch = self.masking.patch
        for number, (images_TB, _) in enumerate(self.loader.batches(epoch, start), start):
            patches_BLP = to_patches(images_TB[0], patch)
            random = generator(self.seed, "mask", epoch, number)
            visible_BL = self.masking.draw(patches_BLP.shape[0], patches_BLP.shape[1], random)
            height, width = images_TB.shape[-2:]
            visible = visible_BL.reshape(-1, height // patch, width // patch).to(images_TB.dtype)
            pixels = visible.repeat_interleave(patch, 1).repeat_interleave(patch, 2)
            inputs = torch.cat([images_TB, pixels[None, :, None].expand(len(images_TB), -1, -1, -1, -1)], 2)
            mean, std = patches_BLP.mean(-1, keepdim=True), patches_BLP.std(-1, correction=0, keepdim=True)
            hidden_BL1 = (~visible_BL)[..., None].to(images_TB.dtype)
            yield inputs, torch.cat([hidden_BL1, (patches_BLP - mean) / (std + 1e-6)], 2)
