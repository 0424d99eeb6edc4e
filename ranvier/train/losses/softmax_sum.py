"""Cross-entropy of softmaxes summed over time. Source: Hammouamri et al. 2024, arXiv:2306.17670, section 3.1."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.train.losses.objective import Objective, check


class SoftmaxSum(Objective):
    """L = mean_b CE(m[b], y[b]),  m = sum over t of softmax(o[t]): every step votes, with one vote in all.

    The cross-entropy takes the softmax of m once more, so that a vote more is worth a factor e. The decision is the
    class with most votes.
    """

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``."""
        check("SoftmaxSum", outputs_TBK, targets_B)
        return cross_entropy(_votes(outputs_TBK), targets_B.long())

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Return the class with most votes."""
        return _votes(outputs_TBK).argmax(-1)


def _votes(outputs_TBK: Tensor) -> Tensor:
    return outputs_TBK.softmax(-1).sum(0)
