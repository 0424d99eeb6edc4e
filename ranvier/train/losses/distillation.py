"""Hard-label distillation. Source: Touvron et al. 2021 (DeiT), arXiv 2012.12877, section 4, eq. 3."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.errors import ShapeError
from ranvier.core.params import require
from ranvier.core.units import Param
from ranvier.train.losses.objective import Objective, check, decide_by_rate


class HardDistillation(Objective):
    """L = (1 - w) CE(read-out for labels, y) + w CE(read-out for the teacher, the teacher's own decision).

    Each read-out is averaged over time. In training the outputs are (T, B, 3 K): read-out for labels, read-out for the
    teacher, the teacher's logits, as ``nn.Taught`` gives them. In evaluation they are (T, B, K), the mean of the two
    read-outs, and the loss is the cross-entropy with the labels.

    Args: num_classes: K. weight: w. label_smoothing: of the labels; the teacher's decisions are not smoothed.
    """

    num_classes: int
    weight: Param = 0.5
    label_smoothing: Param = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "num_classes", self.num_classes >= 1, "at least 1 class")
        require(self, "weight", 0 <= self.weight <= 1, "a share in [0, 1]")
        require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "a share in [0, 1)")

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss; see ``Objective``. Raises: ShapeError for outputs of another width."""
        parts = self._parts(outputs_TBK)
        check("HardDistillation", parts[0], targets_B)
        smoothing = float(self.label_smoothing)
        on_labels = cross_entropy(parts[0].mean(0), targets_B.long(), label_smoothing=smoothing)
        if len(parts) == 1:
            return on_labels
        on_teacher = cross_entropy(parts[1].mean(0), decide_by_rate(parts[2]))
        return (1 - self.weight) * on_labels + self.weight * on_teacher

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Read the decision (B,) from the mean of the two read-outs."""
        parts = self._parts(outputs_TBK)
        return decide_by_rate(parts[0] if len(parts) == 1 else (parts[0] + parts[1]) / 2)

    def _parts(self, outputs_TBK: Tensor) -> tuple[Tensor, ...]:
        width = outputs_TBK.shape[-1] if outputs_TBK.ndim else 0
        if width not in (self.num_classes, 3 * self.num_classes):
            expected = f"{self.num_classes} outputs, or {3 * self.num_classes} with the teacher's"
            mend = "Train the network inside ranvier.nn.Taught."
            raise ShapeError("HardDistillation", expected=expected, got=str(width), mend=mend)
        return torch.split(outputs_TBK, self.num_classes, dim=-1)
