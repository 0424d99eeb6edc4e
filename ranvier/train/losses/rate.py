"""Cross-entropy of the mean output. Source: Wu et al. 2018 (STBP), arXiv 1706.02609, with cross-entropy for its MSE."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check, check_shares


class RateCrossEntropy(Objective):
    """L = mean_b CE(mean_t o[t, b], y[b]): outputs are logits (or spikes) whose mean over time decides.

    Targets are classes (B,), or shares of classes (B, K) that add up to 1, such as ``data.Mixing`` gives.

    Args: label_smoothing: share s of the target that is spread evenly: (1 - s) * one_hot(y) + s / K.
    """

    label_smoothing: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "a share in [0, 1)")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        if targets_B.is_floating_point() and targets_B.ndim == 2:
            check_shares("RateCrossEntropy", outputs_TBK, targets_B)
            targets = targets_B
        else:
            check("RateCrossEntropy", outputs_TBK, targets_B)
            targets = targets_B.long()
        return cross_entropy(outputs_TBK.mean(0), targets, label_smoothing=float(self.label_smoothing))
