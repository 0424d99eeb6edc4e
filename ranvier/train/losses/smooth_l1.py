"""Smooth L1 distance to one-hot targets at every step. Source: Kaiser, Mostafa and Neftci 2020 (DECOLLE)."""

from torch import Tensor
from torch.nn.functional import one_hot, smooth_l1_loss

from ranvier.core.params import require_positive
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class SmoothL1(Objective):
    """L = mean_{t,b,k} h(o[t, b, k] - 1[k = y]), h(e) = e^2 / (2 width) where |e| < width, else |e| - width / 2.

    Args: width: of the part that is a square; 1 as in torch.
    """

    width: Param = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "width")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        check("SmoothL1", outputs_TBK, targets_B)
        wanted_BK = one_hot(targets_B.long(), outputs_TBK.shape[-1]).to(outputs_TBK.dtype)
        return smooth_l1_loss(outputs_TBK, wanted_BK.expand_as(outputs_TBK), beta=float(self.width))
