"""How well places, or anything else that is looked up, are found: recall, precision against recall, matching baselines.

Letters: Q queries, R references, H W space, C cells, D descriptor.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ranvier.core.errors import ConfigError, DtypeError, NonFiniteError, ShapeError


class Curve(NamedTuple):
    """Precision and recall as the least score that counts as a match falls; one point for each different score."""

    precision: Tensor  # float64
    recall: Tensor  # float64, not falling


def recall_at(scores_QR: Tensor, correct_QR: Tensor, *, top: int = 1) -> float:
    """Compute the share of queries that have a correct reference among their ``top`` best scores.

    A reference is among them if fewer than ``top`` others score as high, so that ties do not count as found.
    Queries without a correct reference are left out; NaN if none has one.

    Args: scores_QR: floating, higher is better. correct_QR: bool.
    Raises: ShapeError, DtypeError, ConfigError; NonFiniteError for scores that are NaN.
    """
    _check("recall_at", scores_QR, correct_QR)
    if top < 1:
        raise ConfigError("recall_at: top", expected="at least 1", got=str(top))
    best_Q = scores_QR.masked_fill(~correct_QR, -torch.inf).amax(1)
    rivals_Q = (~correct_QR & (scores_QR >= best_Q[:, None])).sum(1)
    found_Q = (rivals_Q < top)[correct_QR.any(1)]
    return float(found_Q.double().mean()) if len(found_Q) else float("nan")


def precision_recall(scores_QR: Tensor, correct_QR: Tensor) -> Curve:
    """Follow precision and recall of each query's best match, by its score, from the surest down.

    precision = right / said, recall = right / queries that have a correct reference, where a query says its best match
    if that scores no less than the bar. A tie for the best match counts as wrong unless all that tie are correct; a
    query whose best score is -inf says nothing.

    Args: scores_QR: floating, higher is better. correct_QR: bool.
    Raises: ShapeError, DtypeError; NonFiniteError for scores that are NaN.
    """
    _check("precision_recall", scores_QR, correct_QR)
    best_Q = scores_QR.amax(1)
    right_Q = ~((scores_QR == best_Q[:, None]) & ~correct_QR).any(1)
    said = best_Q > -torch.inf
    best, order = best_Q[said].sort(descending=True, stable=True)
    hits = right_Q[said][order].double().cumsum(0)
    last = torch.ones_like(best, dtype=torch.bool)  # of all matches of one score: they come together
    last[:-1] = best[1:] != best[:-1]
    number = torch.arange(1, len(best) + 1, dtype=torch.float64)
    possible = max(int(correct_QR.any(1).sum()), 1)
    return Curve((hits / number)[last], (hits / possible)[last])


def area_under(curve: Curve) -> float:
    """Integrate precision over recall by trapezoids, from recall 0 at the first point's precision; 0 if it is empty."""
    if not len(curve.recall):
        return 0.0
    recall = torch.cat([curve.recall.new_zeros(1), curve.recall])
    precision = torch.cat([curve.precision[:1], curve.precision])
    return float(torch.trapezoid(precision, recall))


def recall_at_full_precision(curve: Curve) -> float:
    """Give the largest recall that is reached without a single wrong match; 0 if the surest match is wrong."""
    perfect = curve.recall[curve.precision == 1.0]
    return float(perfect.max()) if len(perfect) else 0.0


def within(query_Q: Tensor, reference_R: Tensor, *, tolerance: float = 0.0) -> Tensor:
    """Say which references count as correct (Q, R): those whose position is at most ``tolerance`` from the query's."""
    return (query_Q[:, None] - reference_R).abs() <= tolerance


def sad_scores(query_QHW: Tensor, reference_RHW: Tensor) -> Tensor:
    """Compare views pixel by pixel: minus the mean absolute difference (Q, R), the sum of absolute differences scaled.

    Source: Milford and Wyeth 2012, ICRA (SeqSLAM), eq. 1. Raises: ShapeError.
    """
    if query_QHW.shape[1:] != reference_RHW.shape[1:]:
        got = f"{tuple(query_QHW.shape)} and {tuple(reference_RHW.shape)}"
        raise ShapeError("sad_scores", expected="views of one size", got=got)
    query, reference = query_QHW.flatten(1).float(), reference_RHW.flatten(1).float()
    return -torch.cdist(query, reference, p=1.0) / query.shape[1]


class VLAD(NamedTuple):
    """A NetVLAD-like descriptor without a trained network: VLAD of small patches of patch-normalised views.

    Each patch of side x side pixels (stride 2, mean taken off, length 1) goes to the nearest of C centres found by
    k-means on the reference views; a view is, for each centre and each quarter of the picture, the sum of the
    differences between its patches and the centre, each sum scaled to length 1 and then all of them together.
    NetVLAD has learned features and soft assignment in their place. Quarters keep coarse position, which a place
    without objects needs; ``quarters=1`` is the plain descriptor.

    Source: Jegou, Douze, Schmid and Perez 2010, CVPR (VLAD); Arandjelovic et al. 2016, CVPR, arXiv:1511.07247 (scaling
    within a centre).
    """

    centres_CD: Tensor
    side: int
    quarters: int

    @classmethod
    def of(
        cls, views_RHW: Tensor, *, generator: torch.Generator, centres: int = 16, side: int = 5, quarters: int = 2
    ) -> "VLAD":
        """Find the centres by 20 rounds of k-means.

        Args: views_RHW: square. centres: C. side: of a patch, pixels. quarters: parts along each side of the picture.
        Raises: ShapeError; ConfigError if there are fewer patches than centres, or no quarters.
        """
        if quarters < 1:
            raise ConfigError("VLAD.of: quarters", expected="at least 1", got=str(quarters))
        patches = _patches(views_RHW, side).flatten(0, 1)
        if len(patches) < centres:
            raise ConfigError("VLAD.of", expected=f"at least {centres} patches", got=str(len(patches)))
        found = patches[torch.randperm(len(patches), generator=generator)[:centres]]
        for _ in range(20):
            nearest = torch.cdist(patches, found).argmin(1)
            sums = torch.zeros_like(found).index_add_(0, nearest, patches)
            counts = torch.bincount(nearest, minlength=centres)[:, None]
            found = torch.where(counts > 0, sums / counts.clamp(min=1), found)
        return cls(found, side, quarters)

    def describe(self, views_QHW: Tensor) -> Tensor:
        """Describe views (Q, H, W): (Q, quarters^2 * C * D), each of length 1."""
        patches_QPD = _patches(views_QHW, self.side)
        count, (centres, depth) = len(patches_QPD), self.centres_CD.shape
        along = round(patches_QPD.shape[1] ** 0.5)
        part = torch.arange(along) * self.quarters // along
        part_P = (part[:, None] * self.quarters + part).flatten()
        nearest_QP = torch.cdist(patches_QPD, self.centres_CD.expand(count, -1, -1)).argmin(2)
        rest_QPD = patches_QPD - self.centres_CD[nearest_QP]
        cell_QP = part_P * centres + nearest_QP
        sums = torch.zeros(count, self.quarters**2 * centres, depth)
        sums.scatter_add_(1, cell_QP[..., None].expand(-1, -1, depth), rest_QPD)
        return normalize(normalize(sums, dim=2).flatten(1), dim=1)

    def scores(self, query_QHW: Tensor, reference_RHW: Tensor) -> Tensor:
        """Compare views by the cosine of their descriptors: (Q, R)."""
        return self.describe(query_QHW) @ self.describe(reference_RHW).T


def _patches(views_QHW: Tensor, side: int) -> Tensor:
    if views_QHW.ndim != 3 or views_QHW.shape[1] != views_QHW.shape[2] or views_QHW.shape[1] < side:
        expected = f"square views (Q, H, H) of at least {side} pixels"
        raise ShapeError("VLAD", expected=expected, got=str(tuple(views_QHW.shape)))
    patches = torch.nn.functional.unfold(views_QHW[:, None].float(), side, stride=2).transpose(1, 2)
    return normalize(patches - patches.mean(-1, keepdim=True), dim=-1)


def _check(where: str, scores_QR: Tensor, correct_QR: Tensor) -> None:
    if scores_QR.ndim != 2 or scores_QR.shape != correct_QR.shape or 0 in scores_QR.shape:
        got = f"{tuple(scores_QR.shape)} and {tuple(correct_QR.shape)}"
        raise ShapeError(where, expected="scores and what is correct, both (Q, R)", got=got)
    if not scores_QR.is_floating_point() or correct_QR.dtype != torch.bool:
        got = f"{scores_QR.dtype} and {correct_QR.dtype}"
        raise DtypeError(where, expected="floating scores, and torch.bool for what is correct", got=got)
    # No number is higher than NaN or equal to it, so a query whose right reference scores NaN would count as found.
    if bad := int(scores_QR.isnan().sum()):
        raise NonFiniteError(
            where, expected="scores that are numbers", got=f"{bad} of {scores_QR.numel()} that are NaN"
        )
