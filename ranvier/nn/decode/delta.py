"""Delta read-out. Source: Lichtsteiner, Posch and Delbruck 2008, JSSC 43:566. Axes: T time, B batch, P polarity."""

from torch import Tensor

from ranvier.core.errors import ShapeError
from ranvier.nn.inputs import check_sequence


def delta(counts_TBP: Tensor, *, threshold: float, start_B: Tensor | float = 0.0) -> Tensor:
    """Decode what ``encode.delta`` made: x[t] = start + threshold * sum up to t of (ON - OFF), to within a threshold.

    Args: counts_TBP: (T, B, 2, ...), OFF at 0, ON at 1. start_B: the signal before the first step.
    Returns: (T, B, ...).
    Raises: ShapeError.
    """
    check_sequence("decode.delta", counts_TBP)
    if counts_TBP.ndim < 3 or counts_TBP.shape[2] != 2:
        expected = "counts (T, B, 2, ...) of OFF and ON"
        raise ShapeError("decode.delta", expected=expected, got=str(tuple(counts_TBP.shape)))
    return start_B + threshold * (counts_TBP[:, :, 1] - counts_TBP[:, :, 0]).cumsum(0)
