"""Cross-entropy of spike counts. Source: Fra et al. 2024 (L2MU), arXiv:2407.04076: the class that fires most."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class CountCrossEntropy(Objective):
    """L = mean_b CE(gain * sum_t o[t, b], y[b]): the class with the most spikes in the steps that count.

    Args: gain: of a spike; 1 is the count itself. last: only so many steps at the end count, None: all (as for fewer).
    """

    gain: Param = 1.0
    last: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "gain", self.gain > 0, "a number > 0")
        require(self, "last", self.last is None or self.last >= 1, "at least one step, or None")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        check("CountCrossEntropy", outputs_TBK, targets_B)
        return cross_entropy(self.gain * self._counts(outputs_TBK), targets_B.long())

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Return the class that fires most in the steps that count."""
        return self._counts(outputs_TBK).argmax(-1)

    def _counts(self, outputs_TBK: Tensor) -> Tensor:
        counted_TBK = outputs_TBK if self.last is None else outputs_TBK[-self.last :]
        return counted_TBK.sum(0)
