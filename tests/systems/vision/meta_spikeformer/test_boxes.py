"""The oracles are loops in plain Python. Letters: B batch, P places, M boxes, K classes."""

import math

import pytest
import torch

from ranvier.measure.detection import box_iou
from ranvier.systems.vision.meta_spikeformer.boxes import DetectionLoss, Grid, assign, corners, decode, giou

GRID = Grid(side=4, stride=8)  # pictures of 32 pixels


def targets(*pictures):
    """Make targets of pictures, each a list of (class, left, top, right, bottom)."""
    most = max(map(len, pictures))
    rows = [list(p) + [(-1.0,) * 5] * (most - len(p)) for p in pictures]
    return torch.tensor(rows, dtype=torch.float32)


def perfect(target_BM5, num_classes, *, sure=8.0):
    """Make outputs that say just what is there."""
    centres, found = GRID.centres(target_BM5), assign(GRID.centres(target_BM5), target_BM5, radius=12.0)
    out = torch.zeros(2, *found.shape, num_classes + 4)
    out[..., :num_classes] = -sure
    for b in range(len(found)):
        for p, m in enumerate(found[b].tolist()):
            if m >= 0:
                label, left, top, right, bottom = target_BM5[b, m].tolist()
                x, y = centres[p].tolist()
                out[:, b, p, int(label)] = sure
                out[:, b, p, num_classes:] = torch.tensor([x - left, y - top, right - x, bottom - y]).div(8).log()
    return out


def test_the_middles_of_places_lie_row_by_row():
    assert GRID.centres(torch.zeros(1))[:5].tolist() == [[4, 4], [12, 4], [20, 4], [28, 4], [4, 12]]


def test_a_place_finds_the_smallest_box_whose_middle_region_it_lies_in():
    given = targets([(3, 0, 0, 32, 32), (1, 8, 8, 18, 18)], [(2, 0, 0, 7, 7)])
    found = assign(GRID.centres(given), given, radius=8.0)
    for b in range(2):
        for p, (x, y) in enumerate(GRID.centres(given).tolist()):
            best, area = -1, math.inf
            for m, (label, left, top, right, bottom) in enumerate(given[b].tolist()):
                near = max(abs(x - (left + right) / 2), abs(y - (top + bottom) / 2)) <= 8.0
                inside = left < x < right and top < y < bottom
                if label >= 0 and near and inside and (right - left) * (bottom - top) < area:
                    best, area = m, (right - left) * (bottom - top)
            assert found[b, p] == best
    assert set(found[0].tolist()) == {-1, 0, 1}
    assert (found[1] >= 0).sum() == 1


def test_distances_are_powers_of_e_in_strides():
    made = corners(torch.tensor([[0.0, 1.0, -1.0, 2.0]]), torch.tensor([[20.0, 12.0]]), 8)
    expected = [20 - 8, 12 - 8 * math.e, 20 + 8 / math.e, 12 + 8 * math.e**2]
    torch.testing.assert_close(made, torch.tensor([expected]))


def test_what_is_said_perfectly_is_decoded_and_costs_almost_nothing():
    given = targets([(3, 2, 2, 14, 15), (1, 16, 10, 31, 30)], [(0, 5, 5, 20, 20)], [])
    said = perfect(given, 4)
    found = decode(said, GRID, num_classes=4)
    assert [sorted(boxes.labels.tolist()) for boxes in found] == [[1, 3], [0], []]
    for boxes, target in zip(found, given, strict=True):
        for corner, label in zip(boxes.corners, boxes.labels, strict=True):
            own = target[target[:, 0] == label][:, 1:]
            assert float(box_iou(corner[None], own).max()) > 0.999
    loss = DetectionLoss(grid=GRID, num_classes=4)
    assert float(loss(said, given)) < 1e-3
    wrong = said.clone()
    wrong[..., :4] = wrong[..., :4].roll(1, -1)
    assert float(loss(wrong, given)) > 1
    moved = said.clone()
    moved[..., 4:] += 0.5
    assert float(loss(moved, given)) > 0.3


def test_the_loss_is_focal_plus_generalised_overlap_by_hand():
    given = targets([(1, 0, 0, 8, 8)])
    said = torch.randn(3, 1, 16, 6, generator=torch.Generator().manual_seed(0))
    mean = said.mean(0)[0].tolist()
    total = 0.0
    for place, row in enumerate(mean):
        for label, logit in enumerate(row[:2]):
            p = 1 / (1 + math.exp(-logit))
            right = place == 0 and label == 1
            p_t, a_t = (p, 0.25) if right else (1 - p, 0.75)
            total -= a_t * (1 - p_t) ** 2 * math.log(p_t)
    left, top, right, bottom = (8 * math.exp(v) for v in mean[0][2:])
    box = (4 - left, 4 - top, 4 + right, 4 + bottom)
    shared = max(min(box[2], 8) - max(box[0], 0), 0) * max(min(box[3], 8) - max(box[1], 0), 0)
    union = (box[2] - box[0]) * (box[3] - box[1]) + 64 - shared
    hull = (max(box[2], 8) - min(box[0], 0)) * (max(box[3], 8) - min(box[1], 0))
    total += 1 - (shared / union - (hull - union) / hull)
    got = float(DetectionLoss(grid=GRID, num_classes=2)(said, given))
    assert got == pytest.approx(total, rel=1e-5)


def test_a_picture_without_boxes_costs_its_classes_only_and_gradients_are_finite():
    said = torch.zeros(1, 1, 16, 6, requires_grad=True)
    loss = DetectionLoss(grid=GRID, num_classes=2)(said, targets([], [(1, 0, 0, 8, 8)])[:1])
    assert float(loss.detach()) == pytest.approx(16 * 2 * 0.75 * 0.25 * math.log(2))  # p = 1/2 everywhere
    loss.backward()
    assert torch.isfinite(said.grad).all()
    assert float(said.grad[..., 2:].abs().max()) == 0


def test_overlap_of_boxes_apart_is_negative_and_of_equal_ones_1():
    a = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]])
    b = torch.tensor([[0.0, 0, 4, 4], [8, 0, 12, 4]])
    torch.testing.assert_close(giou(a, b), torch.tensor([1.0, -1 / 3]))
