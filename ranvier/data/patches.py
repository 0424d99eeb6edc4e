"""Patch normalisation: each pixel against its neighbourhood, which takes most of the light out of a view.

Source: Milford and Wyeth 2012, ICRA (SeqSLAM), section III; with a window around each pixel as in VPRSNN (Hussaini,
Milford and Fischer 2022, arXiv:2109.06452). Letters: H W space.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, unfold

from ranvier.core.errors import ConfigError, ShapeError

GREY = 127  # what a pixel becomes that equals its window's mean


def patch_normalise(images_HW: Tensor, *, window: int = 7) -> Tensor:
    """Normalise each pixel by the mean and the standard deviation (of the population) of the window around it.

    x = (p - mean) / std, clipped to [-1, 1], mapped to 0..255 and cut to whole numbers. Beyond the border there is
    nothing: windows there hold fewer pixels. Where all of a window is equal the pixel becomes 127.

    Args: images_HW: (..., H, W). window: odd number of pixels along a side.
    Returns: (..., H, W) uint8. Raises: ConfigError, ShapeError.
    """
    if window < 3 or window % 2 == 0:
        raise ConfigError("patch_normalise: window", expected="an odd number >= 3", got=str(window))
    if images_HW.ndim < 2:
        raise ShapeError("patch_normalise", expected="images (..., H, W)", got=str(tuple(images_HW.shape)))
    height, width = images_HW.shape[-2:]
    pixels = images_HW.reshape(-1, 1, height, width).double()
    there = torch.ones(1, 1, height, width, dtype=torch.float64)

    def sums(x: Tensor) -> Tensor:
        return unfold(x, window, padding=window // 2).reshape(len(x), window**2, height, width).sum(1, keepdim=True)

    count = sums(there)
    mean, power = sums(pixels) / count, sums(pixels**2) / count
    variance = power - mean**2
    flat = variance <= 1e-9 * power  # what rounding leaves where all is equal, at any brightness
    x = (pixels - mean) / variance.masked_fill(flat, 1.0).sqrt()
    grey = ((x.clamp(-1, 1) + 1) / 2 * 255).masked_fill(flat, GREY)
    return grey.to(torch.uint8).reshape(images_HW.shape)


def shrink(images_HW: Tensor, side: int) -> Tensor:
    """Resize images (..., H, W) to side x side by area-averaging bilinear interpolation: float32, 0..255."""
    height, width = images_HW.shape[-2:]
    flat = images_HW.reshape(-1, 1, height, width).float()
    if (height, width) != (side, side):
        flat = interpolate(flat, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return flat.reshape(*images_HW.shape[:-2], side, side)
