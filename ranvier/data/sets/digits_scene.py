"""Scenes of handwritten digits: digits of MNIST at random places of a larger picture, with boxes and masks.

For detection and segmentation where no annotated photographs are at hand. Letters: H W space, M digits.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data.sets import mnist
from ranvier.data.sets.pack import ImageSet
from ranvier.data.sets.source import Split

INK = 64  # grey from which on a pixel belongs to a digit
TRIES = 20
SMALLEST = 12  # pixels; in smaller ones thin strokes fade below the ink


class Scene(NamedTuple):
    """A picture and what is in it."""

    image: Tensor  # (1, H, W) uint8
    mask: Tensor  # (H, W) int64: 0 the background, 1 + class where a digit is
    corners: Tensor  # (M, 4) float32: left, top, right, bottom of the ink, in pixels
    labels: Tensor  # (M,) int64, 0 to 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How scenes are made.

    Args: side: H = W, pixels. fewest, most: digits of a scene. sizes: side of a pasted digit image, uniform between the
        two, pixels. overlap: largest share of the smaller box that two boxes may share.
    Raises: ConfigError for numbers that make no sense.
    """

    side: int = 48
    fewest: int = 1
    most: int = 3
    sizes: tuple[int, int] = (18, 26)
    overlap: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most:
            got = f"{self.fewest} to {self.most}"
            raise ConfigError("Layout.fewest", expected="from at least 1 digit up to most", got=got)
        low, high = self.sizes
        if not SMALLEST <= low <= high <= self.side:
            expected = f"two rising sizes from {SMALLEST} to the side, {self.side} pixels"
            raise ConfigError("Layout.sizes", expected=expected, got=str(self.sizes))
        if not 0 <= self.overlap <= 1:
            raise ConfigError("Layout.overlap", expected="a share in [0, 1]", got=str(self.overlap))


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """Scenes by index: scene i depends on the digits, the layout, the seed and i alone."""

    digits: ImageSet
    layout: Layout
    num: int
    seed: int = 0

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, index: int) -> Scene:
        """Make scene ``index``. A digit for which no free place is found in 20 tries is left out, never the first."""
        if not 0 <= index < self.num:
            raise IndexError(index)
        draw = generator(self.seed, "scene", index)
        side = self.layout.side
        image, mask = torch.zeros(side, side), torch.zeros(side, side, dtype=torch.int64)
        corners: list[list[int]] = []
        labels: list[int] = []
        for _ in range(_whole(draw, self.layout.fewest, self.layout.most)):
            picture, label = self.digits[_whole(draw, 0, len(self.digits) - 1)]
            ink = self._scaled(picture, draw)
            place = self._place(ink, corners, draw)
            if place is None:
                continue
            top, left, box = place
            window = (slice(top, top + len(ink)), slice(left, left + len(ink)))
            mask[window][ink >= INK] = label + 1
            image[window] = torch.maximum(image[window], ink)
            corners.append(box)
            labels.append(label)
        boxes = torch.tensor(corners, dtype=torch.float32)
        return Scene(image.round().to(torch.uint8)[None], mask, boxes, torch.tensor(labels))

    def _scaled(self, picture: Tensor, draw: torch.Generator) -> Tensor:
        size = _whole(draw, *self.layout.sizes)
        scaled = interpolate(picture[None].float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
        return scaled[0, 0].clamp(0, 255)

    def _place(self, ink: Tensor, taken: list[list[int]], draw: torch.Generator) -> tuple[int, int, list[int]] | None:
        rows, columns = (torch.nonzero((ink >= INK).any(axis))[:, 0] for axis in (1, 0))
        for _ in range(TRIES):
            top, left = (_whole(draw, 0, self.layout.side - len(ink)) for _ in range(2))
            box = [left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1]
            if all(_shared(box, other) <= self.layout.overlap for other in taken):
                return top, left, box
        return None


def load(split: Split = "train", *, num: int, layout: Layout | None = None, seed: int = 0) -> Scenes:
    """Make scenes of the digits of a split of MNIST, so that test scenes show digits that no training scene shows.

    Raises: DataError if MNIST is not in RANVIER_DATA or the cache.
    """
    if num < 1:
        raise ConfigError("digits_scene: num", expected="at least 1 scene", got=str(num))
    return Scenes(mnist.load(split), layout or Layout(), num, seed)


def _whole(draw: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=draw))


def _shared(a: list[int], b: list[int]) -> float:
    """Share of the smaller of two boxes that both cover."""
    width, height = (min(a[2 + axis], b[2 + axis]) - max(a[axis], b[axis]) for axis in (0, 1))
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(width, 0) * max(height, 0) / smaller
