"""The loss whose gradient is the tempotron rule. Source: Guetig and Sompolinsky 2006, Nat. Neurosci. 9:420."""

from torch import Tensor
from torch.nn.functional import one_hot

from ranvier.core.params import require_positive
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class TempotronLoss(Objective):
    """L = mean_b sum_k max(0, y (v_th - max_t V[t, k])) with y = 1 for the class, -1 for the others.

    Only wrong units learn: one that should have fired (max V < v_th), or should not have (max V > v_th). There
    dL/dw_i = -y sum_{t_i < t_max} K(t_max - t_i) for ``neurons.Tempotron``: gradient descent is the paper's rule, eq. 2
    and 3, with its lambda as the learning rate over the batch size. The decision is the unit whose maximum is largest.

    Args: v_th: threshold.
    """

    v_th: Param = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "v_th")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss of membranes (T, B, K); see ``Objective``."""
        check("TempotronLoss", outputs_TBK, targets_B)
        peak_BK = outputs_TBK.amax(0)
        sign_BK = 2.0 * one_hot(targets_B.long(), peak_BK.shape[-1]) - 1.0
        return (sign_BK * (self.v_th - peak_BK)).clamp(min=0.0).sum(-1).mean()

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Return the unit whose membrane comes highest."""
        return outputs_TBK.amax(0).argmax(-1)
