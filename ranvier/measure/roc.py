"""How well a score tells two classes apart, and how much of a signal is explained.

Source: Hanley and McNeil 1982, Radiology 143:29 (the area under the curve as a probability of pairs).
"""

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError


def roc_auc(scores: Tensor, labels: Tensor) -> float:
    """Compute the area under the receiver operating characteristic.

    P(score of a positive > score of a negative) + P(equal) / 2, over all pairs, by ranks.

    Args: scores, labels: of one shape; a label other than 0 is positive.
    Returns: NaN if one of the classes is empty, or a score is NaN.
    Raises: ShapeError if the shapes differ.
    """
    _check("roc_auc", scores, labels)
    positive = labels.flatten() != 0
    num = int(positive.sum())
    others = positive.numel() - num
    if not num or not others or bool(scores.isnan().any()):
        return float("nan")
    _, place, counts = torch.unique(scores.detach().double().flatten(), return_inverse=True, return_counts=True)
    # Equal scores share the mean of their ranks, which count from 1.
    ranks = counts.cumsum(0) - (counts - 1) / 2
    total = float(ranks.double()[place[positive]].sum())
    return (total - num * (num + 1) / 2) / (num * others)


def r_squared(predicted: Tensor, targets: Tensor) -> float:
    """Compute the share of variance explained: 1 - sum (y - p)^2 / sum (y - mean y)^2.

    Returns: NaN for targets that are all equal.
    Raises: ShapeError if the shapes differ.
    """
    _check("r_squared", predicted, targets)
    y, p = targets.detach().double(), predicted.detach().double()
    # Not by their variance, which rounding leaves above 0: the mean of equal numbers need not be that number.
    if not y.numel() or bool((y == y.flatten()[0]).all()):
        return float("nan")
    return 1 - float((y - p).square().sum()) / float((y - y.mean()).square().sum())


def _check(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        got = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ShapeError(name, expected="two tensors of one shape", got=got)
