"""How well boxes are found: average precision. Source: Everingham et al. 2015, IJCV 111:98, section 4.1.

Letters: N boxes found, M boxes that are there, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError


class Boxes(NamedTuple):
    """Boxes of one picture. Scores of true boxes are not read."""

    corners: Tensor  # (N, 4): left, top, right, bottom, in pixels
    labels: Tensor  # (N,) classes, integers
    scores: Tensor  # (N,) larger is surer


def box_iou(a_N4: Tensor, b_M4: Tensor) -> Tensor:
    """Compute the intersection over union of all pairs of boxes: (N, M). 0 where both are empty.

    Raises: ShapeError unless both are (..., 4) with left, top, right, bottom.
    """
    for boxes in (a_N4, b_M4):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ShapeError("box_iou", expected="boxes (N, 4)", got=str(tuple(boxes.shape)))
    low = torch.maximum(a_N4[:, None, :2], b_M4[None, :, :2])
    high = torch.minimum(a_N4[:, None, 2:], b_M4[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = _areas(a_N4)[:, None] + _areas(b_M4)[None] - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


def suppress(found: Boxes, *, iou: float = 0.5) -> Boxes:
    """Keep the surest of boxes of one class that overlap by more than ``iou`` (non-maximum suppression, greedy).

    Returns: surest first; of equal scores the earlier one.
    """
    order = torch.argsort(found.scores, descending=True, stable=True)
    corners, labels, scores = found.corners[order], found.labels[order], found.scores[order]
    rivals = (box_iou(corners, corners) > iou) & (labels[:, None] == labels[None])
    kept: list[int] = []
    for place in range(len(scores)):
        if not bool(rivals[place, kept].any()):
            kept.append(place)
    return Boxes(corners[kept], labels[kept], scores[kept])


def average_precision(found: Sequence[Boxes], truth: Sequence[Boxes], *, label: int, iou: float = 0.5) -> float:
    """Compute the average precision of one class over pictures.

    From the surest box on, each takes the true box of its picture with which it overlaps most; it is right if that
    overlap is at least ``iou`` and the true box is not taken yet. AP is the area under precision over recall, where the
    precision at a recall is the best at that recall or a larger one (all points, as VOC has it since 2010).

    Returns: NaN if there is no true box of the class.
    """
    total = sum(int((boxes.labels == label).sum()) for boxes in truth)
    if not total:
        return float("nan")
    marks: list[tuple[float, bool]] = []
    for said, true in zip(found, truth, strict=True):
        marks += _marks(said, true, label=label, iou=iou)
    marks.sort(key=lambda mark: -mark[0])  # stable: of equal scores the earlier picture first
    right = torch.tensor([mark[1] for mark in marks], dtype=torch.float64)
    hits = right.cumsum(0)
    precision = hits / torch.arange(1, len(marks) + 1, dtype=torch.float64)
    best = precision.flip(0).cummax(0).values.flip(0) if len(marks) else precision
    return float((best * right).sum() / total)  # recall rises by 1 / total at each hit


def mean_average_precision(
    found: Sequence[Boxes], truth: Sequence[Boxes], *, num_classes: int, iou: float = 0.5
) -> float:
    """Compute the mean of the average precisions of all classes of which there are true boxes; 0 if there are none.

    Raises: ShapeError if there are not as many pictures on both sides.
    """
    if len(found) != len(truth):
        got = f"{len(found)} and {len(truth)}"
        raise ShapeError("mean_average_precision", expected="found and true boxes of the same pictures", got=got)
    values = torch.tensor([average_precision(found, truth, label=k, iou=iou) for k in range(num_classes)])
    values = values[~values.isnan()]
    return float(values.mean()) if values.numel() else 0.0


def _marks(said: Boxes, true: Boxes, *, label: int, iou: float) -> list[tuple[float, bool]]:
    """Mark the boxes that were found in one picture as right or wrong, surest first."""
    chosen = torch.nonzero(said.labels == label)[:, 0]
    chosen = chosen[torch.argsort(said.scores[chosen], descending=True, stable=True)]
    overlaps = box_iou(said.corners[chosen].double(), true.corners[true.labels == label].double())
    taken: set[int] = set()
    marks = []
    for place, score in enumerate(said.scores[chosen].tolist()):
        best = int(overlaps[place].argmax()) if overlaps.shape[1] else -1
        right = best >= 0 and float(overlaps[place, best]) >= iou and best not in taken
        if right:
            taken.add(best)
        marks.append((score, right))
    return marks


def _areas(boxes_N4: Tensor) -> Tensor:
    return (boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=0).prod(-1)
