"""Population read-out. Source: Georgopoulos et al. 1986, Science 233:1416 (population vector).

Axes: T time, B batch, N neurons.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError
from ranvier.nn.decode.latency import latency
from ranvier.nn.encode.population import centres
from ranvier.nn.inputs import check_sequence


def population(spikes_TBN: Tensor, *, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Decode what ``encode.population`` made: the mean of the centres, weighted by what the latencies say.

    x = sum_n a_n mu_n / sum_n a_n with a_n = 1 - t_n / (T - 1).

    Returns: (B, ...), type of the spikes; the middle of the range where nobody fired.
    Raises: ShapeError for fewer than 3 neurons.
    """
    check_sequence("decode.population", spikes_TBN)
    if spikes_TBN.ndim < 3 or spikes_TBN.shape[-1] < 3:
        got = str(tuple(spikes_TBN.shape))
        raise ShapeError("decode.population", expected="spikes (T, B, ..., N) of N >= 3 neurons", got=got)
    centres_N, _ = centres(spikes_TBN.shape[-1], low=low, high=high)
    answers_BN = latency(spikes_TBN)
    total_B = answers_BN.sum(-1)
    mean_B = (answers_BN * centres_N.to(answers_BN)).sum(-1) / total_B
    return torch.where(total_B > 0, mean_B, torch.full_like(mean_B, (low + high) / 2))
