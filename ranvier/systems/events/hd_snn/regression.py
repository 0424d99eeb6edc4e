"""Kernels of motifs, learned: a logistic regression that is the same at all times.

Source: Perrinet 2023, ICANN, "Accurate detection of spiking motifs in multi-unit raster plots".

Letters: T time, N inputs, M motifs, D delays, R trials, E synapses.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.nn import Synapses, arrivals
from ranvier.systems.events.hd_snn import motifs
from ranvier.systems.events.hd_snn.motifs import Motifs


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How long rasters are heard. Args: updates: one for each batch. trials: rasters of a batch, new ones each time."""

    updates: int = 200
    trials: int = 4
    lr: float = 0.04

    def __post_init__(self) -> None:
        require_counts("Lesson.", self, "updates", "trials")
        if not self.lr > 0:
            raise ConfigError("Lesson.lr", expected="a rate > 0", got=str(self.lr))


class Learned(NamedTuple):
    """What was learned."""

    kernel_MND: Tensor
    background: float  # log-odds of a spike where there is no motif


def learn(config: Motifs, kernel_MND: Tensor, lesson: Lesson, seed: int) -> Learned:
    """Learn kernels from rasters that others made, told where the motifs begin.

    Minimise the binary cross-entropy of spikes A and sigmoid(a + sum over m, d of K[m, n, d] B[t - d, m]) by Adam from
    K = 0: for each input one regression on what began when, the same at all times.

    Args: kernel_MND: the one that makes the rasters; it is seen only through them.
    """
    own = generator(seed, "lesson")
    config = replace(config, trials=lesson.trials)
    num_M, num_N, num_D = kernel_MND.shape
    post_E, pre_E, delay_E = (x.flatten() for x in torch.meshgrid(
        torch.arange(num_N), torch.arange(num_M), torch.arange(num_D), indexing="ij"))  # fmt: skip
    learned_NMD = torch.zeros(num_N, num_M, num_D, requires_grad=True)
    background = torch.full((), -4.0, requires_grad=True)
    optimiser = torch.optim.Adam([learned_NMD, background], lr=lesson.lr)
    for _ in range(lesson.updates):
        motifs_TRM, spikes_TRN = motifs.raster(config, kernel_MND, own)
        synapses = Synapses(pre_E, post_E, learned_NMD.flatten(), delay_E)
        logit_TRN = background + arrivals(motifs_TRM, synapses, num_N)
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(logit_TRN, spikes_TRN).backward()  # type: ignore[no-untyped-call] # torch's
        optimiser.step()
    return Learned(learned_NMD.detach().transpose(0, 1).contiguous(), float(background.detach()))


def matched(learned_MND: Tensor, kernel_MND: Tensor) -> float:
    """Return the share of motifs whose kernel correlates more with its own learned one than with any other."""
    num = len(kernel_MND)
    both = torch.cat([kernel_MND.flatten(1), learned_MND.flatten(1)]).double()
    across_MM = torch.corrcoef(both)[:num, num:].nan_to_num(-1.0)  # NaN: of a kernel that is constant
    return float((across_MM.argmax(1) == torch.arange(num)).double().mean())
