"""A still image before a camera that moves, or moved before a camera that stands: frames for the camera model."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.data.camera.light import intensity
from ranvier.data.columns import positive

# The three saccades of N-MNIST: Orchard et al. 2015, Front. Neurosci. 9:437, about 100 ms each; here (y, x) in pixels.
TRIANGLE = ((0.0, 0.0), (7.0, 3.5), (0.0, 7.0), (0.0, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pan:
    """Move an image along way-points at constant speed between them, the same time for each leg.

    frame_k[y, x] = image[y - dy(t_k), x - dx(t_k)], bilinear between pixels, the border repeated beyond it.

    Raises: ConfigError for less than two way-points or times that are not positive.
    """

    path: tuple[tuple[float, float], ...] = TRIANGLE  # (dy, dx), pixels
    duration: float | str = 300.0  # ms, of the whole path
    frame: float | str = 1.0  # ms, from one frame to the next; the last leg ends on a frame

    def __post_init__(self) -> None:
        if len(self.path) < 2:
            raise ConfigError("Pan.path", expected="at least two way-points", got=repr(self.path))
        positive(self.duration, "Pan.duration")
        positive(self.frame, "Pan.frame")

    def __call__(self, image: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield (time in us, frame (H, W) float64), as ``Camera.stream`` takes them; image: (H, W)."""
        light = intensity(image, "Pan")
        duration = positive(self.duration, "duration")
        num = -(-duration // positive(self.frame, "frame"))
        way = torch.tensor(self.path, dtype=torch.float64)
        for k in range(num + 1):
            t = min(k * positive(self.frame, "frame"), duration)
            at = t / duration * (len(way) - 1)
            leg = min(math.floor(at), len(way) - 2)
            dy, dx = (way[leg] + (at - leg) * (way[leg + 1] - way[leg])).tolist()
            yield t, shifted(light, dy, dx)


def shifted(image: Tensor, dy: float, dx: float) -> Tensor:
    """Move an image (H, W) down by dy and right by dx pixels: bilinear, the border repeated."""
    for axis, by in ((0, dy), (1, dx)):
        at = torch.arange(image.shape[axis], dtype=torch.float64, device=image.device) - by
        at = at.clamp(0, image.shape[axis] - 1)
        low = at.floor().long().clamp(max=max(image.shape[axis] - 2, 0))
        high = (low + 1).clamp(max=image.shape[axis] - 1)
        part = (at - low).unsqueeze(1 - axis)
        image = image.index_select(axis, low) * (1 - part) + image.index_select(axis, high) * part
    return image
