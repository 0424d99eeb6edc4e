"""Temporal efficient training: every time step is supervised. Source: Deng et al. 2022 (TET), arXiv 2202.11946."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class TET(Objective):
    """L = (1 - lam) * mean_t CE(o[t], y) + lam * mean_t MSE(o[t], phi), means over batch and classes as usual.

    The second term keeps the outputs of all steps near a constant; phi is usually the threshold.

    Args: lam: weight of the second term, in [0, 1]. phi: the constant. label_smoothing: see ``RateCrossEntropy``.
    """

    lam: Param = 0.05
    phi: Param = 1.0
    label_smoothing: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "lam", 0 <= self.lam <= 1, "a weight in [0, 1]")
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "a share in [0, 1)")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        check("TET", outputs_TBK, targets_B)
        num_steps = outputs_TBK.shape[0]
        every = cross_entropy(
            outputs_TBK.flatten(0, 1), targets_B.long().repeat(num_steps), label_smoothing=float(self.label_smoothing)
        )
        return (1 - self.lam) * every + self.lam * (outputs_TBK - self.phi).square().mean()
