"""A loss among some of a network's outputs. Axes: T time, B batch, K classes."""

from torch import Tensor

from ranvier.core.errors import ShapeError
from ranvier.core.params import require
from ranvier.train.losses.objective import Objective
from ranvier.train.losses.rate import RateCrossEntropy


class Among(Objective):
    """Another loss of the outputs ``start`` to ``stop`` alone: the classifier of one task among several.

    L = loss(o[..., start:stop], y), y counted from ``start``; decisions are made among those outputs, too. The others
    get no gradient, so a layer of all classes holds one classifier a task, without a switch.

    Args: start, stop: of the outputs. loss: of them.
    Raises: ConfigError for numbers that make no sense; ShapeError for a network with fewer outputs.
    """

    start: int
    stop: int
    loss: Objective = RateCrossEntropy()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "start", self.start >= 0, "a number >= 0")
        require(self, "stop", self.stop > self.start, f"a number > {self.start}")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        return self.loss(self._own(outputs_TBK), targets_B)

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Read the decision (B,), counted from ``start``."""
        return self.loss.decide(self._own(outputs_TBK))

    def _own(self, outputs_TBK: Tensor) -> Tensor:
        if outputs_TBK.ndim != 3 or outputs_TBK.shape[2] < self.stop:
            raise ShapeError(
                "Among", expected=f"outputs (T, B, K), K >= {self.stop}", got=str(tuple(outputs_TBK.shape))
            )
        return outputs_TBK[..., self.start : self.stop]
