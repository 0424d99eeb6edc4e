"""Judging a network on held-out data: loss, accuracy, confusion, and how much its layers fire."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ranvier.core.errors import DataError
from ranvier.core.rule import Loss
from ranvier.nn.observe import Seen, observe
from ranvier.nn.stateful import is_compiled
from ranvier.train.activity import Activity, Tally
from ranvier.train.config import Precision
from ranvier.train.loader import Loader
from ranvier.train.losses.objective import Objective, decide_by_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an evaluation saw.

    Args: loss: mean over samples. accuracy: share of right decisions. confusion_KK: counts, row the target, column the
        decision. Both are None where the targets are no classes. activity: of each spiking layer, by module path.
    """

    loss: float
    accuracy: float | None
    confusion_KK: Tensor | None
    activity: dict[str, Activity] = field(default_factory=dict)
    num_samples: int


@torch.no_grad()
def evaluate(
    net: nn.Module,
    loader: Loader,
    loss: Loss,
    *,
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
    leave: Callable[[], bool] = lambda: False,
) -> Judgement | None:
    """Judge a network on epoch 0 of a loader, in evaluation mode; the mode it was in comes back.

    Args: leave: asked before each batch whether to give up.
    Returns: None if it was given up.
    Raises: DataError if the loader has no batches.
    """
    was_training = net.training
    net.eval()
    try:
        return _evaluate(net, loader, loss, torch.device(device), precision, leave)
    finally:
        net.train(was_training)


def _evaluate(
    net: nn.Module, loader: Loader, loss: Loss, device: torch.device, precision: Precision, leave: Callable[[], bool]
) -> Judgement | None:
    tally = Tally()
    total, right, num_samples = 0.0, 0, 0
    confusion_KK: Tensor | None = None
    watched = not is_compiled(net)  # torch.compile leaves nothing to observe
    for inputs, targets in loader.batches(0):
        if leave():
            return None
        inputs, targets = inputs.to(device), targets.to(device)
        watching: AbstractContextManager[dict[str, Seen]] = observe(net, record=()) if watched else nullcontext({})
        with autocast(device, precision), watching as seen:
            outputs = net(inputs)
            value = loss(outputs, targets)
        for layer, what in seen.items():
            tally.add(layer, what.spikes_TB)
        total += float(value) * len(targets)
        num_samples += len(targets)
        if is_classes(targets):
            decisions = decide(loss, outputs)
            right += int((decisions == targets).sum())
            counts_KK = _confusion(targets, decisions, outputs.shape[-1])
            confusion_KK = counts_KK if confusion_KK is None else confusion_KK + counts_KK
    if num_samples == 0:
        raise DataError("evaluate", expected="a loader with at least one sample", got="no batches")
    return Judgement(
        loss=total / num_samples,
        accuracy=None if confusion_KK is None else right / num_samples,
        confusion_KK=confusion_KK,
        activity=tally.activity(),
        num_samples=num_samples,
    )


def decide(loss: Loss, outputs_TBK: Tensor) -> Tensor:
    """Read the decisions (B,) from outputs, as the loss does if it knows how, else by the largest mean output."""
    return loss.decide(outputs_TBK) if isinstance(loss, Objective) else decide_by_rate(outputs_TBK)


def is_classes(targets: Tensor) -> bool:
    """Whether targets are one class a sample, so that a decision can be right or wrong."""
    return targets.ndim == 1 and not targets.is_floating_point()


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Open torch's automatic mixed precision if the precision asks for it."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def _confusion(targets_B: Tensor, decisions_B: Tensor, num_classes: int) -> Tensor:
    pairs = targets_B.long() * num_classes + decisions_B
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).cpu()
