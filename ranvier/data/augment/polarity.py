"""Swapping ON and OFF."""

from dataclasses import dataclass

import torch

from ranvier.data.augment.parts import check_probability, happens
from ranvier.data.columns import AnyEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarityFlip:
    """Swap ON and OFF of the whole recording with a probability.

    Raises: ConfigError unless 0 <= probability <= 1.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability("PolarityFlip.probability", self.probability)

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events, or their opposite."""
        if not happens(self.probability, generator):
            return events
        return type(events)(events.t, events.x, events.y, 1 - events.polarity, events.size)
