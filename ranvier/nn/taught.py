"""A student beside its teacher. Axes: T time, B batch, K classes."""

from typing import Self

import torch
from torch import Tensor, nn

from ranvier.nn.folding import sees_time
from ranvier.nn.stateful import TimeAware


class Taught(TimeAware):
    """A network and the teacher it learns from, on the same inputs.

    In training the teacher's logits are put behind those of the student's R read-outs, (T, B, R + 1, K), for a loss to
    take apart (``train.losses.HardDistillation``); in evaluation the student answers alone. The teacher
    stays in evaluation mode and is never trained. To stream, take ``student`` out.

    Args: student: (T, B, ...) to (T, B, R, K) in training, (T, B, K) in evaluation. teacher: (T, B, ...) to (T, B, K),
        or a plain network (B, ...) to (B, K), which is shown the mean of the inputs over time.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the student."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, x_TB: Tensor) -> Tensor:
        """Call the student and, in training, the teacher."""
        y_TB: Tensor = self.student(x_TB)
        if not self.training:
            return y_TB
        with torch.no_grad():
            timed = sees_time(self.teacher)
            taught = self.teacher(x_TB) if timed else self.teacher(x_TB.mean(0)).expand(len(y_TB), -1, -1)
        return torch.cat([y_TB, taught.unsqueeze(2)], 2)
