"""How well maps of classes agree. Source: Everingham et al. 2015, IJCV 111:98, section 4.2 (intersection over union).

Letters: B batch, H W space, K classes.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError


def confusion(predicted: Tensor, targets: Tensor, *, num_classes: int, ignore: int | None = None) -> Tensor:
    """Count pixels: (K, K) int64, row the target, column the prediction. Counts of several batches add up.

    Args: predicted, targets: classes as integers, of one shape (B, H, W). ignore: targets that do not count.
    Raises: ShapeError if the shapes differ or a class is not in [0, K).
    """
    if predicted.shape != targets.shape:
        got = f"{tuple(predicted.shape)} and {tuple(targets.shape)}"
        raise ShapeError("confusion", expected="predicted and true classes of one shape", got=got)
    counted = torch.ones_like(targets, dtype=torch.bool) if ignore is None else targets != ignore
    said, true = predicted[counted].long(), targets[counted].long()
    if said.numel() and (
        min(int(said.min()), int(true.min())) < 0 or max(int(said.max()), int(true.max())) >= num_classes
    ):
        raise ShapeError("confusion", expected=f"classes 0 to {num_classes - 1}", got="others")
    pairs = torch.bincount(true * num_classes + said, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def class_iou(confusion_KK: Tensor) -> Tensor:
    """Compute intersection over union of each class: (K,) float64, NaN for a class that is neither there nor said.

    IoU = true positives / (true positives + false positives + false negatives).
    """
    counts = confusion_KK.double()
    hits = counts.diagonal()
    return hits / (counts.sum(0) + counts.sum(1) - hits)


def mean_iou(confusion_KK: Tensor) -> float:
    """Compute the mean IoU over the classes that are there or said; 0 if there are none."""
    found = class_iou(confusion_KK)
    found = found[~found.isnan()]
    return float(found.mean()) if found.numel() else 0.0
