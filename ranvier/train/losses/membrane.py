"""Cross-entropy of a read-out's membrane. Source: Cramer et al. 2022, IEEE TNNLS 33:2744 (maximum, last)."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class MembraneCrossEntropy(Objective):
    """L = mean_b CE(v*[b], y[b]), where v* is the membrane's maximum over time or its last value.

    For outputs of a leaky integrator that never fires. The decision is the class with the largest v*.

    Args:
        at: "max", max_t v[t]; the gradient reaches the steps of the maxima only. "last", v[T-1].
        label_smoothing: see ``RateCrossEntropy``.
    """

    at: Literal["max", "last"] = "max"
    label_smoothing: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "at", self.at in ("max", "last"), '"max" or "last"')
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "a share in [0, 1)")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        check("MembraneCrossEntropy", outputs_TBK, targets_B)
        return cross_entropy(self._read(outputs_TBK), targets_B.long(), label_smoothing=float(self.label_smoothing))

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Return the class with the largest membrane value that the loss reads."""
        return self._read(outputs_TBK).argmax(-1)

    def _read(self, outputs_TBK: Tensor) -> Tensor:
        return outputs_TBK.amax(0) if self.at == "max" else outputs_TBK[-1]
