"""How a still image becomes what a network sees at each step: the codes that the STEP platform compares.

Source: Shen et al. 2025, arXiv:2505.11151. x in [0, 1] is brightness, i = 0 .. T - 1 the step.

    direct  the normalised image, at every step
    rate    1 with chance x at every step, by itself
    ttfs    once, at the step i with T - i - 1 < T x <= T - i, and then 1 / (i + 1): the brighter, the earlier
    phase   bit 7 - (i mod 8) of floor(256 x), times 2^-(i mod 8)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.nn import encode

Code = Literal["direct", "rate", "ttfs", "phase"]
CODES: tuple[str, ...] = get_args(Code)

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spikes:
    """Show an image (C, H, W) of uint8 as spikes (T, C, H, W), float32; ``rate`` draws from the generator.

    Args: augment: of the image, before.
    Raises: ConfigError for the code "direct", which ``data.Hold`` shows.
    """

    num_steps: int
    code: Code
    augment: Augment | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES or self.code == "direct":
            raise ConfigError("Spikes.code", expected="rate, ttfs or phase", got=repr(self.code))

    def __call__(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Return the image as spikes."""
        if self.augment is not None:
            image = self.augment(image, generator)
        x = image.float() / 255
        if self.code == "rate":
            return encode.rate(x, num_steps=self.num_steps, generator=generator)
        steps_T = torch.arange(self.num_steps).view(-1, *(1,) * x.ndim)
        if self.code == "ttfs":
            first = self.num_steps - torch.ceil(x * self.num_steps)
            return (steps_T == first).float() / (steps_T + 1)
        return encode.phase(x, num_steps=self.num_steps) * 2.0 ** -(steps_T % 8)
