"""Learning rules: how gradients (or what takes their place) come about."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, dataclass_transform

from torch import Tensor, nn

from ranvier.core.params import Described

Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs_TBK, targets_B) -> scalar


class Evaluation(NamedTuple):
    """What a rule saw of one batch, without graph: the mean loss and the network's outputs."""

    loss: Tensor  # scalar
    outputs: Tensor  # (T, B, K)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Rule(Described, ABC):
    """A way of turning one batch into gradients.

    The trainer is handed a rule and knows none by name; a rule knows no network by name.
    """

    @abstractmethod
    def accumulate(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Evaluation:
        """Add ``scale`` times this batch's gradients to ``.grad`` of the parameters of ``net``.

        Args: inputs: (T, B, ...). targets: (B, ...). loss: of (T, B, K) outputs and targets. scale: for accumulation.
        Returns: the unscaled loss and the outputs, detached.
        """
