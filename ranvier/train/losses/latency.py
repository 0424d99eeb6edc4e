"""Cross-entropy of first-spike times. Source: Mostafa 2018, arXiv 1606.08165 (loss on spike times); see below."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.params import require, require_positive
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check


class Latency(Objective):
    """L = mean_b CE(-t[b] / tau, y[b]), t the time of the first spike in steps: the target should fire first.

    The time is written so that surrogate gradients flow through it: t = sum_{n=0}^{T-1} prod_{m<=n} (1 - S[m]). For
    spikes of 0 or 1 this is exactly the index t0 of the first spike, T if there is none. Before the first spike
    dt/dS[m] = -(t0 - m): an earlier spike is worth more; at it, -(t1 - t0) with t1 the next spike (or T); after it, 0.
    The paper differentiates analytic spike times instead.

    Args: tau: steps by which the target must lead to be e times as likely. label_smoothing: see ``RateCrossEntropy``.
    """

    tau: Param = 1.0
    label_smoothing: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau")
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "a share in [0, 1)")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss of spikes (T, B, K); see ``Objective``."""
        check("Latency", outputs_TBK, targets_B)
        scores_BK = -first_spike(outputs_TBK) / self.tau
        return cross_entropy(scores_BK, targets_B.long(), label_smoothing=float(self.label_smoothing))

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Return the class that fires first; of several, the lowest."""
        return first_spike(outputs_TBK).argmin(-1)


def first_spike(spikes_TBK: Tensor) -> Tensor:
    """Return the step of the first spike, T if there is none: (B, K), differentiable."""
    return torch.cumprod(1 - spikes_TBK, dim=0).sum(0)
