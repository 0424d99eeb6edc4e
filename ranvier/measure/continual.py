"""What a network kept of earlier tasks. Source: Lopez-Paz and Ranzato 2017, NeurIPS, arXiv:1706.08840.

Letters: J tasks learned, K tasks judged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class Continual:
    """Accuracies on a sequence of tasks learned one after the other.

    Args: accuracy_JK: row j is measured once task j is learned, column k on task k; square. untrained_K: of the network
        before it learned anything.
    Raises: ShapeError for other shapes; ValueError for numbers that are not in [0, 1].
    """

    accuracy_JK: NDArray[np.float64]
    untrained_K: NDArray[np.float64]

    def __post_init__(self) -> None:
        num = len(self.untrained_K)
        if num < 1 or self.accuracy_JK.shape != (num, num) or self.untrained_K.ndim != 1:
            got = f"{self.accuracy_JK.shape} and {self.untrained_K.shape}"
            raise ShapeError("Continual", expected="accuracies (K, K) and (K,), K >= 1", got=got)
        for values in (self.accuracy_JK, self.untrained_K):
            if not ((values >= 0) & (values <= 1)).all():
                raise ValueError("Continual: expected shares in [0, 1], got others.")

    @property
    def average(self) -> float:
        """ACC: the mean accuracy on all tasks at the end."""
        return float(self.accuracy_JK[-1].mean())

    @property
    def learned(self) -> float:
        """The mean accuracy on each task right after it was learned."""
        return float(self.accuracy_JK.diagonal().mean())

    @property
    def later(self) -> float:
        """The same over all tasks but the first, which nothing came before; NaN for a single task."""
        return _mean(self.accuracy_JK.diagonal()[1:])

    @property
    def backward(self) -> float:
        """BWT: how much each task but the last gained, R[K, k] - R[k, k], by what came later; below 0 is forgetting."""
        return _mean((self.accuracy_JK[-1] - self.accuracy_JK.diagonal())[:-1])

    @property
    def forward(self) -> float:
        """FWT: how much each task but the first gained, R[k - 1, k] - b[k], by what came before it was learned."""
        return _mean(self.accuracy_JK.diagonal(1) - self.untrained_K[1:])

    @property
    def forgetting(self) -> float:
        """Mean drop of each task but the last from its best (Chaudhry et al. 2018, arXiv:1801.10112, eq. 3)."""
        return _mean((self.accuracy_JK[:-1].max(0, initial=0.0) - self.accuracy_JK[-1])[:-1])


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")
