"""Mean squared error of spike counts. Source: Fang et al. 2021 (PLIF), arXiv 2007.05785 (rates against one-hot)."""

from torch import Tensor
from torch.nn.functional import one_hot

from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class CountMSE(Objective):
    """L = mean_{b,k} (mean_t S[t, b, k] - r[b, k])^2, r the rate wanted: ``correct`` for the target, else ``wrong``.

    Args: correct, wrong: spikes a step, in [0, 1]; 1 and 0 are the paper's. Rates between keep neurons alive.
    """

    correct: Param = 1.0
    wrong: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "correct", 0 <= self.correct <= 1, "a rate in [0, 1] spikes a step")
        require(self, "wrong", 0 <= self.wrong < self.correct, "a rate in [0, correct) spikes a step")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss of spikes (T, B, K); see ``Objective``."""
        check("CountMSE", outputs_TBK, targets_B)
        right_BK = one_hot(targets_B.long(), outputs_TBK.shape[-1]).to(outputs_TBK.dtype)
        wanted_BK = self.wrong + (self.correct - self.wrong) * right_BK
        return (outputs_TBK.mean(0) - wanted_BK).square().mean()
