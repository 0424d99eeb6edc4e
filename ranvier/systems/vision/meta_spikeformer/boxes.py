"""From places of a map to boxes and back: which place is to find which box, what it costs, what it says.

Source: Tian et al. 2019, ICCV, arXiv:1904.01355 (FCOS); centre sampling as in its 2020 journal version; focal loss: Lin
et al. 2017, arXiv:1708.02002, eq. 5; GIoU: Rezatofighi et al. 2019, CVPR, arXiv:1902.09630.

Letters: T time, B batch, P places, M true boxes, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ranvier.measure.detection import Boxes, suppress

RADIUS = 1.5  # strides from the middle of a box within which places are to find it
ALPHA, GAMMA = 0.25, 2.0
LEAST_SCORE, MOST_BOXES = 0.05, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The places of a map of side x side over a picture of side * stride pixels, row by row."""

    side: int
    stride: int

    def centres(self, like: Tensor) -> Tensor:
        """Return the middle of each place: (P, 2), x and y, pixels."""
        line = (torch.arange(self.side, device=like.device, dtype=like.dtype) + 0.5) * self.stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x.flatten(), y.flatten()], -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionLoss:
    """Focal loss of the classes, divided by the number of places that are to find a box, plus 1 - GIoU of those.

    Targets are (B, M, 5): class, left, top, right, bottom; a class of -1 fills up.
    """

    grid: Grid
    num_classes: int

    def __call__(self, outputs_TBP: Tensor, targets_BM5: Tensor) -> Tensor:
        """Compute the loss of outputs (T, B, P, K + 4), averaged over time first."""
        outputs_BP = outputs_TBP.float().mean(0)
        centres_P2 = self.grid.centres(outputs_BP)
        found_BP = assign(centres_P2, targets_BM5, radius=RADIUS * self.grid.stride)
        positive_BP = found_BP >= 0
        num = positive_BP.sum().clamp(min=1)
        chosen_BP5 = torch.gather(targets_BM5, 1, found_BP.clamp(min=0)[..., None].expand(-1, -1, 5))
        wanted_BPK = torch.zeros_like(outputs_BP[..., : self.num_classes])
        wanted_BPK.scatter_(-1, chosen_BP5[..., :1].long().clamp(min=0), 1.0)
        wanted_BPK = wanted_BPK * positive_BP[..., None]
        classes = focal(outputs_BP[..., : self.num_classes], wanted_BPK).sum() / num
        said_BP4 = corners(outputs_BP[..., self.num_classes :], centres_P2, self.grid.stride)
        overlap = giou(said_BP4[positive_BP], chosen_BP5[..., 1:][positive_BP])
        return classes + (1 - overlap).sum() / num


def assign(centres_P2: Tensor, targets_BM5: Tensor, *, radius: float) -> Tensor:
    """Choose the true box that each place is to find: (B, P), its number, -1 for none.

    A place finds a box if its middle lies in the box and within ``radius`` pixels of the box's middle along both axes;
    of several the smallest.
    """
    corners_BM4 = targets_BM5[..., 1:]
    x, y = (centres_P2[:, axis, None, None] for axis in (0, 1))  # (P, 1, 1) against (B, M)
    left, top, right, bottom = corners_BM4.unbind(-1)
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    near = ((x - (left + right) / 2).abs() <= radius) & ((y - (top + bottom) / 2).abs() <= radius)
    fits_PBM = inside & near & (targets_BM5[..., 0] >= 0)
    area_PBM = torch.where(fits_PBM, (right - left) * (bottom - top), torch.inf)
    smallest_PB = area_PBM.argmin(-1)
    return torch.where(fits_PBM.any(-1), smallest_PB, -1).T


def corners(distances_P4: Tensor, centres_P2: Tensor, stride: int) -> Tensor:
    """Turn logarithms of distances (..., P, 4), in strides, into left, top, right, bottom in pixels."""
    away = stride * distances_P4.clamp(max=5.0).exp()
    return torch.cat([centres_P2 - away[..., :2], centres_P2 + away[..., 2:]], -1)


def focal(logits: Tensor, wanted: Tensor) -> Tensor:
    """Compute the focal loss of each logit: -a_t (1 - p_t)^gamma log p_t."""
    p = logits.sigmoid()
    p_t = p * wanted + (1 - p) * (1 - wanted)
    a_t = ALPHA * wanted + (1 - ALPHA) * (1 - wanted)
    return a_t * (1 - p_t) ** GAMMA * binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def giou(a_N4: Tensor, b_N4: Tensor) -> Tensor:
    """Compute the generalised intersection over union of pairs of boxes: (N,), from -1 to 1."""
    low, high = torch.maximum(a_N4[:, :2], b_N4[:, :2]), torch.minimum(a_N4[:, 2:], b_N4[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(-1) for box in (a_N4, b_N4))
    union = area_a + area_b - shared
    hull = (torch.maximum(a_N4[:, 2:], b_N4[:, 2:]) - torch.minimum(a_N4[:, :2], b_N4[:, :2])).prod(-1)
    return shared / union - (hull - union) / hull


@torch.no_grad()
def decode(outputs_TBP: Tensor, grid: Grid, *, num_classes: int) -> list[Boxes]:
    """Read the boxes of each picture: sure enough ones, doubles suppressed, surest first."""
    outputs_BP = outputs_TBP.float().mean(0)
    boxes_BP4 = corners(outputs_BP[..., num_classes:], grid.centres(outputs_BP), grid.stride)
    scores_BP, labels_BP = outputs_BP[..., :num_classes].sigmoid().max(-1)
    found = []
    for boxes, scores, labels in zip(boxes_BP4, scores_BP, labels_BP, strict=True):
        order = scores.argsort(descending=True, stable=True)[:MOST_BOXES]
        order = order[scores[order] >= LEAST_SCORE]
        found.append(suppress(Boxes(boxes[order], labels[order], scores[order])))
    return found
