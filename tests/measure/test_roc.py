"""Areas and shares computed by hand."""

import math

import pytest
import torch

from ranvier.core.errors import ShapeError
from ranvier.measure import r_squared, roc_auc


def test_area_of_a_case_worked_out_by_hand():
    # Pairs (positive, negative): (.35, .1) right, (.35, .4) wrong, (.8, .1) right, (.8, .4) right: 3 of 4.
    assert roc_auc(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1])) == 0.75


def test_a_tie_counts_half():
    # (.5, .5) half, (.5, .2) right, (.9, .5) right, (.9, .2) right: 3.5 of 4.
    assert roc_auc(torch.tensor([0.5, 0.5, 0.2, 0.9]), torch.tensor([1, 0, 0, 1])) == 3.5 / 4
    assert roc_auc(torch.zeros(2, 3), torch.tensor([[0, 1, 0], [1, 1, 0]])) == 0.5


def test_the_area_is_that_over_all_pairs():
    draw = torch.Generator().manual_seed(0)
    scores, labels = torch.randint(0, 20, (300,), generator=draw), torch.randint(0, 2, (300,), generator=draw)
    positive, negative = scores[labels == 1].tolist(), scores[labels == 0].tolist()
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    assert roc_auc(scores.float(), labels) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


def test_without_both_classes_there_is_no_area():
    assert math.isnan(roc_auc(torch.ones(3), torch.ones(3)))
    assert math.isnan(roc_auc(torch.ones(0), torch.ones(0)))


def test_explained_variance_by_hand():
    # Targets 1, 2, 3 around 2: total 2; errors 0, 1, 0: 1.
    assert r_squared(torch.tensor([1.0, 3.0, 3.0]), torch.tensor([1.0, 2.0, 3.0])) == 0.5
    assert r_squared(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 3.0])) == 0
    assert math.isnan(r_squared(torch.tensor([2.0]), torch.tensor([1.0])))


def test_equal_targets_have_no_variance_to_explain_however_their_mean_is_rounded():
    y = torch.full((3,), 0.1, dtype=torch.float64)
    assert float((y - y.mean()).abs().max()) > 0
    assert math.isnan(r_squared(torch.zeros(3), y))
    assert math.isnan(r_squared(torch.zeros(0), torch.zeros(0)))


def test_a_score_that_is_no_number_leaves_no_area():
    assert math.isnan(roc_auc(torch.tensor([0.1, math.nan, 0.3, 0.2]), torch.tensor([0, 1, 1, 0])))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ShapeError, match=r"^roc_auc: expected two tensors of one shape, got \(2,\) and \(3,\)\.$"):
        roc_auc(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ShapeError, match=r"^r_squared: expected two tensors of one shape"):
        r_squared(torch.zeros(2), torch.zeros(3))
