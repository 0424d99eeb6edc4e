import math
import re

import pytest
import torch

from ranvier.core.errors import ConfigError, DtypeError, NonFiniteError, ShapeError
from ranvier.measure.retrieval import (
    VLAD,
    Curve,
    area_under,
    precision_recall,
    recall_at,
    recall_at_full_precision,
    sad_scores,
    within,
)

INF = math.inf
# Five queries, three references; the right one of query q is TRUE[q], and the fifth has none.
SCORES = torch.tensor(
    [[9.0, 1.0, 2.0], [3.0, 8.0, 3.0], [7.0, 2.0, 5.0], [4.0, 6.0, 1.0], [1.0, 2.0, 3.0]], dtype=torch.float64
)
TRUE = (0, 1, 2, 1, None)
CORRECT = torch.tensor([[true == r for r in range(3)] for true in TRUE])


def test_recall_at_n_counts_by_hand():
    assert recall_at(SCORES, CORRECT) == 3 / 4  # query 2 finds reference 0 first; query 4 has none to find
    assert recall_at(SCORES, CORRECT, top=2) == 1.0


def test_a_tie_is_not_found():
    assert recall_at(torch.zeros(2, 3), CORRECT[:2]) == 0.0
    assert recall_at(torch.zeros(2, 3), CORRECT[:2], top=3) == 1.0


def test_recall_without_anything_to_find_is_nan():
    assert math.isnan(recall_at(SCORES[4:], CORRECT[4:]))


def test_precision_and_recall_by_hand():
    # Best matches by score: 9 right, 8 right, 7 wrong, 6 right, 3 wrong (has none); four can be found.
    curve = precision_recall(SCORES, CORRECT)
    assert curve.precision.tolist() == [1, 1, 2 / 3, 3 / 4, 3 / 5]
    assert curve.recall.tolist() == [1 / 4, 2 / 4, 2 / 4, 3 / 4, 3 / 4]
    # Trapezoids: 0 to 1/2 at 1; nothing at 1/2; 1/2 to 3/4 from 2/3 to 3/4.
    assert area_under(curve) == pytest.approx(1 / 2 + 1 / 4 * (2 / 3 + 3 / 4) / 2, abs=1e-12)
    assert recall_at_full_precision(curve) == 1 / 2


def test_matches_of_one_score_come_together():
    scores = torch.tensor([[5.0, 1.0], [5.0, 1.0]])
    curve = precision_recall(scores, torch.tensor([[True, False], [False, True]]))
    assert curve.precision.tolist() == [0.5]
    assert recall_at_full_precision(curve) == 0.0


def test_a_query_that_is_silent_says_nothing():
    scores = torch.tensor([[5.0, 1.0], [-INF, -INF]])
    curve = precision_recall(scores, torch.eye(2, dtype=torch.bool))
    assert curve.precision.tolist() == [1.0]
    assert curve.recall.tolist() == [0.5]


def test_a_tie_for_the_best_match_is_right_only_if_all_are():
    scores = torch.tensor([[5.0, 5.0]])
    assert precision_recall(scores, torch.tensor([[True, True]])).precision.tolist() == [1.0]
    assert precision_recall(scores, torch.tensor([[True, False]])).precision.tolist() == [0.0]


def test_an_empty_curve_has_no_area():
    empty = Curve(torch.zeros(0), torch.zeros(0))
    assert area_under(empty) == 0.0
    assert recall_at_full_precision(empty) == 0.0


def test_tolerance_counts_neighbours_as_correct():
    frames = torch.arange(4)
    assert within(frames, frames).equal(torch.eye(4, dtype=torch.bool))
    assert within(frames, frames, tolerance=1).sum() == 10


def test_sad_is_minus_the_mean_absolute_difference():
    query = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    reference = torch.stack([query[0], query[0] + 2, torch.zeros(2, 2)])
    torch.testing.assert_close(sad_scores(query, reference), torch.tensor([[0.0, -2.0, -2.5]]))


def views(seed, count=6):
    return torch.randint(0, 256, (count, 14, 14), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def test_vlad_equals_its_definition_in_plain_loops():
    seen = views(1)
    vlad = VLAD.of(seen, generator=torch.Generator().manual_seed(0), centres=4)
    view = seen[2].double()
    wanted = torch.zeros(4, 4, 25, dtype=torch.float64)
    for row in range(5):
        for column in range(5):
            patch = view[2 * row : 2 * row + 5, 2 * column : 2 * column + 5].flatten()
            patch = patch - patch.mean()
            patch = patch / patch.norm()
            gaps = patch - vlad.centres_CD.double()
            centre = int(gaps.norm(dim=1).argmin())
            wanted[2 * (row * 2 // 5) + column * 2 // 5, centre] += gaps[centre]
    for quarter in range(4):
        for centre in range(4):
            wanted[quarter, centre] /= max(float(wanted[quarter, centre].norm()), 1e-12)
    wanted = wanted.flatten() / wanted.norm()
    torch.testing.assert_close(vlad.describe(seen)[2].double(), wanted, atol=1e-5, rtol=0)


def test_vlad_finds_views_under_other_light_and_noise():
    seen = views(3, 20)
    noise = torch.randn(seen.shape, generator=torch.Generator().manual_seed(4))
    again = 0.5 * seen.float() + 60 + 10 * noise
    vlad = VLAD.of(seen, generator=torch.Generator().manual_seed(0))
    assert recall_at(vlad.scores(again, seen), torch.eye(20, dtype=torch.bool)) > 0.9


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: recall_at(SCORES, CORRECT[:2]), ShapeError, "recall_at: expected scores and what is correct, both (Q, R), got (5, 3) and (2, 3)."),
        (lambda: recall_at(SCORES, CORRECT, top=0), ConfigError, "recall_at: top: expected at least 1, got 0."),
        (lambda: precision_recall(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.bool)), ShapeError, "precision_recall: expected scores and what is correct, both (Q, R), got (0, 3) and (0, 3)."),
        (lambda: recall_at(torch.tensor([[math.nan, 1.0]]), torch.tensor([[True, False]])), NonFiniteError, "recall_at: expected scores that are numbers, got 1 of 2 that are NaN."),
        (lambda: precision_recall(SCORES, CORRECT.long()), DtypeError, "precision_recall: expected floating scores, and torch.bool for what is correct, got torch.float64 and torch.int64."),
        (lambda: recall_at(SCORES.long(), CORRECT), DtypeError, "recall_at: expected floating scores, and torch.bool for what is correct, got torch.int64 and torch.bool."),
        (lambda: VLAD.of(views(0), generator=torch.Generator(), quarters=0), ConfigError, "VLAD.of: quarters: expected at least 1, got 0."),
        (lambda: sad_scores(torch.zeros(1, 2, 2), torch.zeros(1, 3, 3)), ShapeError, "sad_scores: expected views of one size, got (1, 2, 2) and (1, 3, 3)."),
        (lambda: VLAD.of(views(0)[:1], generator=torch.Generator(), centres=99), ConfigError, "VLAD.of: expected at least 99 patches, got 25."),
        (lambda: VLAD.of(torch.zeros(1, 3, 4), generator=torch.Generator()), ShapeError, "VLAD: expected square views (Q, H, H) of at least 5 pixels, got (1, 3, 4)."),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        call()
