"""Hard-label distillation. Source: Touvron et al. 2021 (DeiT), arXiv 2012.12877, section 4, eq. 3."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.errors import ShapeError
from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check, decide_by_rate


class HardDistillation(Objective):
    """L = (1 - w) CE(read-out for labels, y) + w CE(read-out for the teacher, the teacher's own decision).

    Each read-out is averaged over time. In training the outputs are (T, B, 3, K): read-out for labels, read-out for the
    teacher, the teacher's logits, as ``nn.Taught`` gives them. In evaluation they are (T, B, K), the mean of the two
    read-outs, and the loss is the cross-entropy with the labels.

    Args: weight: w. label_smoothing: of the labels; the teacher's decisions are not smoothed.
    """

    weight: Param = 0.5
    label_smoothing: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "weight", 0 <= self.weight <= 1, "a share in [0, 1]")
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "a share in [0, 1)")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``. Raises: ShapeError for another number of read-outs."""
        if outputs_TBK.ndim != 4:
            check("HardDistillation", outputs_TBK, targets_B)
            return self._on_labels(outputs_TBK, targets_B)
        labels_TBK, taught_TBK, teacher_TBK = _parts(outputs_TBK)
        check("HardDistillation", labels_TBK, targets_B)
        on_teacher = cross_entropy(taught_TBK.mean(0), decide_by_rate(teacher_TBK))
        return (1 - self.weight) * self._on_labels(labels_TBK, targets_B) + self.weight * on_teacher

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Read the decision (B,) from the mean of the two read-outs."""
        if outputs_TBK.ndim != 4:
            return decide_by_rate(outputs_TBK)
        labels_TBK, taught_TBK, _ = _parts(outputs_TBK)
        return decide_by_rate((labels_TBK + taught_TBK) / 2)

    def _on_labels(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        smoothing = float(self.label_smoothing)
        return cross_entropy(outputs_TBK.mean(0), targets_B.long(), label_smoothing=smoothing)


def _parts(outputs_TB3K: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if outputs_TB3K.shape[2] != 3:
        expected = "two read-outs and the teacher's logits (T, B, 3, K)"
        mend = "Train the network inside ranvier.nn.Taught."
        raise ShapeError("HardDistillation", expected=expected, got=str(tuple(outputs_TB3K.shape)), mend=mend)
    labels, taught, teacher = outputs_TB3K.unbind(2)
    return labels, taught, teacher
