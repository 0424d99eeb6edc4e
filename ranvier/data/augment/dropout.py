"""Dropping single events at random."""

from dataclasses import dataclass

import torch

from ranvier.data.augment.parts import check_probability, chosen
from ranvier.data.columns import AnyEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Drop each event with a probability that is itself drawn, uniform between 0 and ``most``.

    Raises: ConfigError unless 0 <= most <= 1.
    """

    most: float = 0.1

    def __post_init__(self) -> None:
        check_probability("Dropout.most", self.most)

    def __call__(self, events: AnyEvents, generator: torch.Generator) -> AnyEvents:
        """Return the events that are kept."""
        probability = self.most * torch.rand((), generator=generator)
        return chosen(events, torch.rand(len(events), generator=generator) >= probability)
