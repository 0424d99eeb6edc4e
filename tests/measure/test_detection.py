"""The oracle is a loop in plain Python that follows the words of the challenge."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.core.errors import ShapeError
from ranvier.measure.detection import Boxes, average_precision, box_iou, mean_average_precision, suppress


def iou_by_hand(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


def ap_by_hand(found, truth, label, iou):
    """Walk through all boxes from the surest; then the area under the best precision at each recall or more."""
    said = [
        (-float(s), picture, place, c.tolist())
        for picture, boxes in enumerate(found)
        for place, (c, k, s) in enumerate(zip(*boxes, strict=True))
        if k == label
    ]
    true = [[c.tolist() for c, k in zip(boxes.corners, boxes.labels, strict=True) if k == label] for boxes in truth]
    total, taken, hits, curve = sum(map(len, true)), set(), 0, []
    for number, (_, picture, _, corners) in enumerate(sorted(said), start=1):
        overlaps = [iou_by_hand(corners, other) for other in true[picture]]
        if overlaps:
            best = overlaps.index(max(overlaps))
            if overlaps[best] >= iou and (picture, best) not in taken:
                taken.add((picture, best))
                hits += 1
        curve.append((hits / total, hits / number))
    area, before = 0.0, 0.0
    for place, (recall, _) in enumerate(curve):
        area += (recall - before) * max(p for _, p in curve[place:])
        before = recall
    return area


def boxes(*rows):
    """Make boxes of rows (left, top, right, bottom, label, score)."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].long(), table[:, 5])


@st.composite
def drawn(draw):
    def some(most):
        rows = []
        for _ in range(draw(st.integers(0, most))):
            x, y, w, h = (draw(st.integers(low, 8)) for low in (0, 0, 1, 1))
            score = draw(st.integers(0, 1000)) / 1000
            rows.append((x, y, x + w, y + h, draw(st.integers(0, 1)), score))
        return boxes(*rows)

    return [some(5) for _ in range(3)], [some(3) for _ in range(3)]


@given(drawn())
def test_average_precision_is_that_of_the_loop(case):
    found, truth = case
    scores = torch.cat([b.scores for b in found])
    if len(scores.unique()) < len(scores):
        return  # ties are broken by order, which the challenge leaves open
    for label in (0, 1):
        if any((b.labels == label).any() for b in truth):
            expected = ap_by_hand(found, truth, label, 0.5)
            assert average_precision(found, truth, label=label) == pytest.approx(expected, abs=1e-12)
        else:
            assert math.isnan(average_precision(found, truth, label=label))


def test_a_case_by_hand():
    truth = [boxes((0, 0, 10, 10, 0, 1), (20, 0, 30, 10, 0, 1))]
    found = [boxes((0, 0, 10, 9, 0, 0.9), (0, 1, 10, 10, 0, 0.8), (20, 0, 30, 10, 0, 0.7), (0, 0, 3, 3, 1, 0.99))]
    # Right, a double, right: precision 1 at recall 1/2, 2/3 at recall 1.
    assert average_precision(found, truth, label=0) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert mean_average_precision(found, truth, num_classes=3) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_all_found_is_1_and_nothing_found_0_and_a_stricter_overlap_is_harder():
    truth = [boxes((0, 0, 10, 10, 0, 1)), boxes((5, 5, 9, 9, 1, 1))]
    assert mean_average_precision(truth, truth, num_classes=2) == 1
    assert mean_average_precision([boxes(), boxes()], truth, num_classes=2) == 0
    near = [boxes((0, 0, 10, 8, 0, 1)), boxes((5, 5, 9, 9, 1, 1))]
    assert mean_average_precision(near, truth, num_classes=2, iou=0.75) == 1
    assert mean_average_precision(near, truth, num_classes=2, iou=0.85) == 0.5


def test_no_true_boxes_at_all_is_0():
    assert mean_average_precision([boxes((0, 0, 1, 1, 0, 1))], [boxes()], num_classes=2) == 0


def test_overlaps_are_those_of_pairs():
    a, b = boxes((0, 0, 4, 4, 0, 1), (2, 2, 6, 6, 0, 1)).corners, boxes((2, 2, 4, 4, 0, 1), (9, 9, 9, 9, 0, 1)).corners
    expected = [[iou_by_hand(x, y) for y in b.tolist()] for x in a.tolist()]
    assert box_iou(a, b).tolist() == expected
    assert box_iou(b[1:], b[1:]).tolist() == [[0.0]]  # both empty
    with pytest.raises(ShapeError, match=r"box_iou: expected boxes \(N, 4\), got \(2, 3\)"):
        box_iou(a[:, :3], b)


def test_of_boxes_of_one_class_that_overlap_the_surest_stays():
    found = boxes((0, 0, 10, 10, 0, 0.6), (0, 0, 10, 9, 0, 0.9), (0, 0, 10, 10, 1, 0.5), (8, 8, 18, 18, 0, 0.7))
    kept = suppress(found)
    assert kept.scores.tolist() == [0.9, 0.7, 0.5]
    assert kept.labels.tolist() == [0, 0, 1]
    assert len(suppress(boxes()).scores) == 0


def test_pictures_must_agree_in_number():
    with pytest.raises(ShapeError, match="expected found and true boxes of the same pictures, got 1 and 2"):
        mean_average_precision([boxes()], [boxes(), boxes()], num_classes=1)
