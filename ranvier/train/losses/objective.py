"""What a loss is to the trainer: a number to make small, and how a decision is read from the same outputs.

T time, B batch, K classes.
"""

from abc import ABC, abstractmethod
from typing import dataclass_transform

from torch import Tensor

from ranvier.core.errors import DtypeError, ShapeError
from ranvier.core.params import Described


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Objective(Described, ABC):
    """A loss of a classifier's outputs: a mean over the batch, so that parts of a batch add up by their sizes."""

    @abstractmethod
    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss. Args: outputs_TBK: floating. targets_B: classes, integers in [0, K). Returns: a scalar."""

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Read the decision (B,): the class with the largest mean output, unless the loss says otherwise."""
        return decide_by_rate(outputs_TBK)


def decide_by_rate(outputs_TBK: Tensor) -> Tensor:
    """Return the class (B,) whose output is largest on average over time."""
    return outputs_TBK.mean(0).argmax(-1)


def check(name: str, outputs_TBK: Tensor, targets_B: Tensor) -> None:
    """Check shapes and types at the edge of a loss.

    Raises: ShapeError, DtypeError; they name the loss.
    """
    _check_outputs(name, outputs_TBK)
    _, num_samples, num_classes = outputs_TBK.shape
    if targets_B.shape != (num_samples,):
        raise ShapeError(name, expected=f"targets (B,) = ({num_samples},)", got=str(tuple(targets_B.shape)))
    if targets_B.is_floating_point() or targets_B.is_complex():
        raise DtypeError(name, expected="classes as integers", got=str(targets_B.dtype))
    low, high = int(targets_B.min()), int(targets_B.max())
    if low < 0 or high >= num_classes:
        raise ShapeError(
            name,
            expected=f"classes from 0 to {num_classes - 1}, as the network has {num_classes} outputs",
            got=f"{low} to {high}",
            mend="Give the last layer one output a class.",
        )


def check_shares(name: str, outputs_TBK: Tensor, targets_BK: Tensor) -> None:
    """Check shapes and types at the edge of a loss whose targets are shares of classes (B, K).

    Raises: ShapeError, DtypeError; they name the loss.
    """
    _check_outputs(name, outputs_TBK)
    if targets_BK.shape != outputs_TBK.shape[1:]:
        expected = f"shares of classes (B, K) = {tuple(outputs_TBK.shape[1:])}"
        raise ShapeError(name, expected=expected, got=str(tuple(targets_BK.shape)))


def _check_outputs(name: str, outputs_TBK: Tensor) -> None:
    if outputs_TBK.ndim != 3 or 0 in outputs_TBK.shape:
        raise ShapeError(
            name,
            expected="outputs (T, B, K), none of them 0",
            got=str(tuple(outputs_TBK.shape)),
            mend="Time comes first.",
        )
    if not outputs_TBK.is_floating_point():
        raise DtypeError(name, expected="floating outputs", got=str(outputs_TBK.dtype))
