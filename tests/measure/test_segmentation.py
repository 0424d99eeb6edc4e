import math

import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.measure.segmentation import class_iou, confusion, mean_iou


def iou_by_hand(predicted, targets, label):
    pairs = list(zip(predicted.flatten().tolist(), targets.flatten().tolist(), strict=True))
    both = sum(p == label and t == label for p, t in pairs)
    either = sum(p == label or t == label for p, t in pairs)
    return both / either if either else math.nan


def test_it_is_intersection_over_union_of_the_sets_of_pixels():
    generator = torch.Generator().manual_seed(0)
    predicted, targets = (torch.randint(0, 4, (3, 5, 7), generator=generator) for _ in range(2))
    found = class_iou(confusion(predicted, targets, num_classes=5))
    for label in range(4):
        assert float(found[label]) == pytest.approx(iou_by_hand(predicted, targets, label), rel=1e-12)
    assert math.isnan(found[4])
    expected = sum(iou_by_hand(predicted, targets, k) for k in range(4)) / 4
    assert mean_iou(confusion(predicted, targets, num_classes=5)) == pytest.approx(expected, rel=1e-12)


def test_a_small_case_by_hand():
    targets = torch.tensor([[[0, 0], [1, 1]]])
    predicted = torch.tensor([[[0, 1], [1, 1]]])
    counts = confusion(predicted, targets, num_classes=2)
    assert counts.tolist() == [[1, 1], [0, 2]]
    assert class_iou(counts).tolist() == [0.5, 2 / 3]


def test_a_perfect_map_has_1_and_one_that_is_wrong_everywhere_0():
    targets = torch.tensor([[[0, 1, 2]]])
    assert mean_iou(confusion(targets, targets, num_classes=3)) == 1
    assert mean_iou(confusion((targets + 1) % 3, targets, num_classes=3)) == 0


def test_counts_of_batches_add_up_and_ignored_pixels_do_not_count():
    predicted, targets = torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[0, 1, 255, 1]]])
    whole = confusion(predicted, targets, num_classes=2, ignore=255)
    parts = [confusion(predicted[..., i : i + 2], targets[..., i : i + 2], num_classes=2, ignore=255) for i in (0, 2)]
    assert torch.equal(whole, parts[0] + parts[1])
    assert whole.sum() == 3


def test_nothing_at_all_is_0():
    assert mean_iou(torch.zeros(3, 3, dtype=torch.int64)) == 0


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(
        ShapeError, match=r"confusion: expected predicted and true classes of one shape, got \(1, 2, 2\) and"
    ):
        confusion(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3), num_classes=2)
    with pytest.raises(ShapeError, match="confusion: expected classes 0 to 1, got others"):
        confusion(torch.full((1, 1, 1), 2), torch.zeros(1, 1, 1, dtype=torch.int64), num_classes=2)
