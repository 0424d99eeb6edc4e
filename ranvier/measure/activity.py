"""How the neurons of a layer fire: rates, dead and saturated neurons, sparsity, regularity.

Letters: T time, B batch.
"""

import torch
from torch import Tensor

from ranvier.measure.passes import check_sequence
from ranvier.report.schema import Activity

SATURATED = 0.95  # a neuron that fires in this share of the steps or more
BINS = 20


def activity(spikes_TB: Tensor) -> Activity:
    """Describe the firing of one layer over a batch.

    A rate is the share of time steps with a spike, graded or not. ``dead`` neurons never fire, ``saturated`` ones have
    a rate of at least 0.95; ``histogram`` counts neurons by rate in 20 equal bins from 0 to 1.

    Args: spikes_TB: (T, B, ...), as ``nn.observe`` records them.
    Raises: ShapeError for a recording without time steps or samples.
    """
    check_sequence("activity", spikes_TB)
    steps, samples = spikes_TB.shape[:2]
    counts = torch.count_nonzero(spikes_TB.detach().reshape(steps * samples, -1), dim=0).to(torch.float64).cpu()
    rates = counts / (steps * samples)
    num = max(rates.numel(), 1)
    histogram = torch.bincount((rates * BINS).long().clamp(max=BINS - 1), minlength=BINS)
    return Activity(
        num_neurons=rates.numel(),
        rate=float(rates.sum()) / num,
        dead=int((counts == 0).sum()) / num,
        saturated=int((rates >= SATURATED).sum()) / num,
        histogram=tuple(histogram.tolist()),
    )


def activation_sparsity(spikes_TB: dict[str, Tensor]) -> float:
    """Return the share of outputs that are 0, pooled over layers, steps and samples. Source: NeuroBench."""
    total = sum(spikes.numel() for spikes in spikes_TB.values())
    active = sum(int(torch.count_nonzero(spikes)) for spikes in spikes_TB.values())
    return 1.0 - active / total if total else 0.0


def interval_cv(spikes_TB: Tensor) -> Tensor:
    """Coefficient of variation of the intervals between spikes, per neuron and sample: std / mean.

    0 is a clock, 1 a Poisson process. NaN where there are fewer than two intervals.

    Args: spikes_TB: (T, B, ...). Returns: (B, ...), float64.
    """
    check_sequence("interval_cv", spikes_TB)
    flat = (spikes_TB.detach() != 0).reshape(spikes_TB.shape[0], -1).cpu()
    found = torch.full((flat.shape[1],), torch.nan, dtype=torch.float64)
    for i in torch.nonzero(flat.sum(dim=0) > 2)[:, 0].tolist():
        intervals = torch.diff(torch.nonzero(flat[:, i])[:, 0]).to(torch.float64)
        found[i] = intervals.std(correction=0) / intervals.mean()
    return found.reshape(spikes_TB.shape[1:])
