"""Motifs in rasters of spikes: the model that makes them, and the layer of delays that finds them again.

Source: Perrinet 2023, ICANN, "Accurate detection of spiking motifs in multi-unit raster plots".

Letters: T time, N inputs, M motifs, D delays, R trials.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.nn import Synapses, arrivals

_SHAPE = (1.0, -0.8, -0.2)  # of a spike: it is followed by refractoriness


@dataclass(frozen=True, slots=True, kw_only=True)
class Motifs:
    """A raster in which motifs are hidden.

    Args: inputs: N. motifs: M. delays: D, length of a motif, steps. steps: T. trials: rasters.
        contrast: E of the kernels, in log-odds. share: of the synapses of a kernel that are not 0, before spikes become
        refractory. rise, decay: of the envelope of a kernel, in lengths of a motif. rate_inputs, rate_motifs: p_A and
        p_B, chance of a background spike and of a motif, a step.
    """

    inputs: int = 128
    motifs: int = 32
    delays: int = 31
    steps: int = 1024
    trials: int = 4
    contrast: float = 4.0
    share: float = 0.05
    rise: float = 0.05
    decay: float = 0.4
    rate_inputs: float = 0.001
    rate_motifs: float = 0.001

    def __post_init__(self) -> None:
        require_counts("Motifs.", self, "inputs", "motifs", "delays", "trials")
        if self.steps < 2 * self.delays:
            raise ConfigError("Motifs.steps", expected="at least two lengths of a motif", got=str(self.steps))
        for name in ("share", "rate_inputs", "rate_motifs"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"Motifs.{name}", expected="a share in (0, 1)", got=str(getattr(self, name)))
        for name in ("contrast", "rise", "decay"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Motifs.{name}", expected="a number > 0", got=str(getattr(self, name)))

    @property
    def background(self) -> float:
        """a = logit p_A."""
        return math.log(self.rate_inputs / (1 - self.rate_inputs))


class Rasters(NamedTuple):
    """What was drawn."""

    kernel_MND: Tensor  # log-odds that motif m adds to input n, d steps after it began
    motifs_TRM: Tensor  # 1 where a motif begins
    spikes_TRN: Tensor


def draw(config: Motifs, seed: int) -> Rasters:
    """Draw kernels, motifs and the spikes that they make more or less likely."""
    own = generator(seed, "motifs")
    kernel = draw_kernel(config, own)
    return Rasters(kernel, *raster(config, kernel, own))


def raster(config: Motifs, kernel_MND: Tensor, own: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw motifs (T, R, M) and spikes (T, R, N).

    logit p(n, t) = logit p_A + sum over m, d of K[m, n, d] B[t - d, m]; spikes are tosses of that coin.
    """
    motifs_TRM = (torch.rand(config.steps, config.trials, config.motifs, generator=own) < config.rate_motifs).float()
    half = config.delays // 2
    motifs_TRM[:half] = 0.0
    motifs_TRM[config.steps - config.delays :] = 0.0  # none is cut short
    evidence_TRN = arrivals(motifs_TRM, synapses(kernel_MND.transpose(0, 1)), config.inputs)
    chance = torch.sigmoid(config.background + evidence_TRN)
    spikes = (torch.rand(chance.shape, generator=own) < chance).float()
    return motifs_TRM, spikes


def draw_kernel(config: Motifs, own: torch.Generator) -> Tensor:
    """Draw kernels (M, N, D): sparse, strong at delays of some length, each spike followed by refractoriness.

    K = E z where z ~ N(0, 1) lies above its quantile 1 - share, else 0, times exp(-s / decay) (1 - exp(-s / rise)), s =
    d / D, convolved along delays with (1, -0.8, -0.2).
    """
    z = torch.randn(config.motifs, config.inputs, config.delays, generator=own)
    least = math.sqrt(2.0) * float(torch.erfinv(torch.tensor(1 - 2 * config.share)))
    s = (torch.arange(config.delays) + 1) / config.delays  # the first delay counts as the end of its step
    envelope = torch.exp(-s / config.decay) * (1 - torch.exp(-s / config.rise))
    kernel = config.contrast * torch.where(z > least, z, 0.0) * envelope
    shape = torch.tensor(_SHAPE).flip(0).view(1, 1, -1)
    padded = torch.nn.functional.pad(kernel.reshape(-1, 1, config.delays), (len(_SHAPE) - 1, 0))
    return conv1d(padded, shape).view(kernel.shape)


def synapses(kernel_MND: Tensor, *, mirrored: bool = False) -> Synapses:
    """List what is not 0 of a kernel (outputs, inputs, delays); ``mirrored``: tap d has the delay D - 1 - d."""
    post, pre, tap = kernel_MND.nonzero(as_tuple=True)
    delay = kernel_MND.shape[2] - 1 - tap if mirrored else tap
    return Synapses(pre, post, kernel_MND[post, pre, tap], delay)


def detect(spikes_TRN: Tensor, kernel_MND: Tensor, a: float) -> Tensor:
    """Return the log-odds (T, R, M) that motif m began at t, up to those of any motif beginning.

    sum over n, d of K[m, n, d] A[t + d, n] - sum over n, d of log((1 + exp(a + K)) / (1 + exp(a))), a the log-odds of a
    spike without motif: the ratio of the likelihoods with and without it. Delays mirror those of the motif, so that the
    spikes of one arrive all at once, D - 1 steps after its beginning; that shift is taken out here.
    """
    offset_M = (torch.nn.functional.softplus(a + kernel_MND) - math.log1p(math.exp(a))).sum((1, 2))
    return correlate(spikes_TRN, kernel_MND) - offset_M


def correlate(spikes_TRN: Tensor, kernel_MND: Tensor) -> Tensor:
    """Return the sum over n, d of K[m, n, d] A[t + d, n], (T, R, M), by spikes and synapses; A = 0 after the end."""
    late = kernel_MND.shape[2] - 1
    silence = spikes_TRN.new_zeros(late, *spikes_TRN.shape[1:])
    found = arrivals(torch.cat([spikes_TRN, silence]), synapses(kernel_MND, mirrored=True), len(kernel_MND))
    return found[late:]


def template(kernel_MND: Tensor, a: float) -> Tensor:
    """Return what plain correlation would look for: the chance of each spike of a motif instead of its log-odds."""
    return torch.sigmoid(a + kernel_MND)


def true_positives(evidence_TRM: Tensor, motifs_TRM: Tensor) -> float:
    """Return the share of motifs found, at their step, among as much of the strongest evidence; NaN without any.

    Equal evidence of which only a part would fit counts as not found: who says the same everywhere finds nothing.
    """
    num = max(1, int(motifs_TRM.sum()))
    least = evidence_TRM.flatten().topk(num).values[-1]
    said = evidence_TRM >= least
    if int(said.sum()) > num:
        said = evidence_TRM > least
    return float(said[motifs_TRM > 0].float().mean())
