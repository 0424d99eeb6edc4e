"""Learning rules: how gradients (or what takes their place) come about."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
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

    def updates(
        self, net: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, *, scale: float = 1.0
    ) -> Iterator[Evaluation | None]:
        """Go through a batch, and pause wherever the weights should move along what lies in ``.grad``.

        Whoever drives the rule moves them at each pause, and clears ``.grad``. Most rules want that once, at the end of
        the batch; one that learns while the input goes on overrides this, and lets ``accumulate`` run through.

        Yields: None at each pause but the last, then what ``accumulate`` returns. How many depends on T alone.
        """
        yield self.accumulate(net, inputs, targets, loss, scale=scale)
