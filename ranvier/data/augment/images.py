"""Augmentation of images, as they are stored: (C, H, W) uint8. A generator decides everything.

Letters: C channels, H W space.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from ranvier.core.errors import ConfigError, DtypeError, ShapeError
from ranvier.data.augment.parts import check_probability, happens


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAugment:
    """What may happen to a training image, in this order; the default changes nothing.

    Args:
        shift: pixels of zeros put around the image, out of which a window of the old size is cut at a uniform place.
        flip: probability that left and right are exchanged.
        brightness, contrast, saturation: the image is multiplied by, and its distance from its mean grey and from its
            own grey is multiplied by, a factor uniform in [1 - that, 1 + that]. Saturation wants three channels.
        erase: probability that a rectangle is filled with noise, uniform in 0 .. 255.
        erase_area: share of the image that the rectangle covers, uniform between the two; its aspect ratio is
            log-uniform between 0.3 and 1 / 0.3.
    Raises: ConfigError for numbers that make no sense; ShapeError, DtypeError for what is no image.
    Source: shift and flip: He et al. 2016, CVPR, section 4.2; erase: Zhong et al. 2017, arXiv:1708.04896.
    """

    shift: int = 0
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    erase: float = 0.0
    erase_area: tuple[float, float] = (0.02, 0.33)

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise ConfigError("ImageAugment.shift", expected="a number of pixels >= 0", got=repr(self.shift))
        for name in ("flip", "brightness", "contrast", "saturation", "erase"):
            check_probability(f"ImageAugment.{name}", getattr(self, name))
        low, high = self.erase_area
        if not 0 < low <= high <= 1:
            raise ConfigError("ImageAugment.erase_area", expected="two rising shares in (0, 1]", got=f"{low}, {high}")

    def __call__(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Return the changed image, of the same shape and type; the given one stays as it is."""
        if image.dtype != torch.uint8:
            raise DtypeError("ImageAugment", expected="an image of uint8", got=str(image.dtype))
        if image.ndim != 3 or 0 in image.shape:
            raise ShapeError("ImageAugment", expected="an image (C, H, W)", got=str(tuple(image.shape)))
        if self.shift:
            image = _shifted(image, self.shift, generator)
        if self.flip and happens(self.flip, generator):
            image = image.flip(-1)
        if self.brightness or self.contrast or self.saturation:
            image = _toned(image, (self.brightness, self.contrast, self.saturation), generator)
        if self.erase and happens(self.erase, generator):
            image = _erased(image, self.erase_area, generator)
        return image


def _shifted(image: Tensor, by: int, generator: torch.Generator) -> Tensor:
    height, width = image.shape[-2:]
    top, left = torch.randint(2 * by + 1, (2,), generator=generator).tolist()
    return pad(image, (by,) * 4)[:, top : top + height, left : left + width]


def _toned(image: Tensor, by: tuple[float, float, float], generator: torch.Generator) -> Tensor:
    draws = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    light, contrast, colour = (1 + most * (2 * draw - 1) for most, draw in zip(by, draws, strict=True))
    x = image.float() * light
    x = x.mean() + contrast * (x - x.mean())
    if by[2]:
        if image.shape[0] != 3:
            got = f"{image.shape[0]} channel(s)"
            raise ShapeError("ImageAugment.saturation", expected="an image of three channels", got=got)
        grey = (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
        x = grey + colour * (x - grey)
    toned: Tensor = x.round().clamp(0, 255).to(torch.uint8)
    return toned


def _erased(image: Tensor, area: tuple[float, float], generator: torch.Generator) -> Tensor:
    channels, height, width = image.shape
    share, ratio, down, right = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    covered = height * width * (area[0] + share * (area[1] - area[0]))
    aspect = math.exp((2 * ratio - 1) * math.log(1 / 0.3))
    # A rectangle that is longer than the image is cut to it, where the source draws again.
    rows = max(1, min(height, round(math.sqrt(covered * aspect))))
    columns = max(1, min(width, round(math.sqrt(covered / aspect))))
    top, left = int(down * (height - rows + 1)), int(right * (width - columns + 1))
    erased = image.clone()
    noise = torch.randint(256, (channels, rows, columns), generator=generator, dtype=torch.uint8)
    erased[:, top : top + rows, left : left + columns] = noise
    return erased
