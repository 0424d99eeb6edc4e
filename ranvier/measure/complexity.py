"""Lempel-Ziv complexity of spike trains: how many new words a train is made of.

Source: Lempel and Ziv 1976, IEEE Trans. Inf. Theory 22:75 (the exhaustive parsing, "LZ76"). Axes: T time, N trains.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ranvier.core.errors import ShapeError


def lempel_ziv(spikes_TN: Tensor) -> Tensor:
    """Count the words of the exhaustive parsing of each train.

    A word grows as long as it occurs in what came before its last symbol (an occurrence may overlap it), and ends with
    the first symbol that makes it new; a last word that is not new counts as one: 0.001.10.100.1000.101 has 6. Values
    of LZ78, which parses otherwise, are not comparable.

    Args: spikes_TN: (T, ...); anything but 0 is a spike.
    Returns: (...) int64. Trains that never fire, or always do, have 2 words (1 for T = 1).
    Raises: ShapeError without time steps.
    """
    if spikes_TN.ndim == 0 or spikes_TN.shape[0] == 0:
        raise ShapeError("lempel_ziv", expected="trains (T, ...) of at least one step", got=str(tuple(spikes_TN.shape)))
    trains_NT = (spikes_TN != 0).reshape(len(spikes_TN), -1).T.contiguous().to(torch.uint8).cpu().numpy()
    counts = np.array([_words(train.tobytes()) for train in trains_NT], dtype=np.int64)
    return torch.from_numpy(counts).reshape(spikes_TN.shape[1:])


def normalised_lempel_ziv(spikes_TN: Tensor) -> Tensor:
    """Normalise the number of words: C = c log2(T) / T, which tends to the entropy rate in bits a step.

    It does so for long trains of a stationary ergodic source, from above: 1.04 for 10^4 tosses of a fair coin. Compare
    trains of equal length only.

    Args: spikes_TN: (T, ...), T >= 2.
    Returns: (...) float64.
    Raises: ShapeError for less than two steps.
    """
    if spikes_TN.ndim == 0 or spikes_TN.shape[0] < 2:
        expected = "trains (T, ...) of at least two steps"
        raise ShapeError("normalised_lempel_ziv", expected=expected, got=str(tuple(spikes_TN.shape)))
    steps = len(spikes_TN)
    return lempel_ziv(spikes_TN).to(torch.float64) * (math.log2(steps) / steps)


def _words(train: bytes) -> int:
    count, start, end = 0, 0, len(train)
    while start < end:
        length, place = 1, 0
        # What holds a longer word holds the shorter one there too: the search goes on where that was found.
        while start + length <= end:
            place = train.find(train[start : start + length], place, start + length - 1)
            if place < 0:
                break
            length += 1
        count, start = count + 1, start + length
    return count
