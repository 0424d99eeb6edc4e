"""Branches of a dendrite: which inputs the synapses of each branch listen to. Axes: X inputs, D branches, S synapses.

Source: Spieler et al. 2024, ICLR, arXiv:2306.16922 (Branch-ELM), and its published code for the two routings.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """Branches with as many synapses each.

    Args:
        num: D. synapses: S, of each branch.
        routing: "windows", branch j listens to the S inputs from place j ceil(X / D) on; those past the last input
            hear nothing. "random", each synapse to an input drawn with replacement.
        interleave: with windows, whether inputs are two halves (exciting, inhibiting) that alternate along the
            dendrite: place k is input k / 2 for an even k, else input ceil(X / 2) + (k - 1) / 2.
        seed: of what is drawn.
    Raises: ConfigError for numbers that make no branches.
    """

    num: int = 45
    synapses: int = 100
    routing: Literal["windows", "random"] = "windows"
    interleave: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_counts("Branches.", self, "num", "synapses")
        if self.routing not in ("windows", "random"):
            raise ConfigError("Branches.routing", expected='"windows" or "random"', got=repr(self.routing))

    def sources(self, inputs: int) -> Tensor:
        """Return the input of each synapse, (D, S) int64; -1 for a synapse that hears nothing."""
        if self.routing == "random":
            draw = generator(self.seed, "branches")
            return torch.randint(inputs, (self.num, self.synapses), generator=draw)
        stride = -(-inputs // self.num)
        place_DS = stride * torch.arange(self.num).unsqueeze(1) + torch.arange(self.synapses)
        inside_DS = place_DS < inputs
        if self.interleave:
            half = -(-inputs // 2)
            place_DS = place_DS // 2 + half * (place_DS % 2)
        return torch.where(inside_DS, place_DS, -1)
