"""Triplet STDP of groups that compete, with normalised weights; work is done only where spikes are.

Source: Pfister and Gerstner 2006, J. Neurosci. 26:9673 (triplets); Diehl and Cook 2015, Front. Comput. Neurosci. 9:99
(its use with normalisation); the form and constants are those of Hussaini et al. 2022, arXiv:2109.06452.
Letters: T time, N inputs, G groups, M neurons of a group, D longest delay, E synapses, K neurons that fired.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.errors import ShapeError
from ranvier.core.params import Described, require_positive
from ranvier.core.units import Ms, Param
from ranvier.nn.competition import Competition

CHUNK = 64  # steps whose arriving spikes are listed at once


class TripletSTDP(Described):
    """STDP by one trace of an input and two of a neuron, each set to 1 at a spike and decaying exponentially.

    ::

        an input spike arrives:  w <- clip(w + nu_pre post1, 0, w_max),          then pre = 1
        the neuron fires:        w <- clip(w + nu_post pre post2, 0, w_max),     then post1 = post2 = 1

    A spike arrives when its synapse's delay has passed, and pre is the trace at the synapse. The conductance hears the
    weight before the change. In a step arrivals come first. The sign of nu_pre is an option: the place recognition code
    as run has +, Diehl and Cook have - (give a negative number).

    Args: nu_pre, nu_post: sizes. tau_pre, tau_post1, tau_post2: ms. w_max: largest weight.
    """

    nu_pre: Param = 1e-4
    nu_post: Param = 1e-2
    tau_pre: Ms = 20.0
    tau_post1: Ms = 20.0
    tau_post2: Ms = 40.0
    w_max: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_pre", "tau_post1", "tau_post2", "w_max")

    def arrived(self, weight_E: Tensor, post1_E: Tensor) -> Tensor:
        """Change the weights that an input spike reached."""
        return (weight_E + self.nu_pre * post1_E).clamp(0, self.w_max)

    def fired(self, weight_KN: Tensor, pre_KN: Tensor, post2_K: Tensor) -> Tensor:
        """Change all weights of the neurons that fired, given post2 from before the spike."""
        return (weight_KN + self.nu_post * pre_KN * post2_K[:, None]).clamp(0, self.w_max)

    @torch.no_grad()
    def present(self, net: Competition, routes: "Arrivals", spikes_TGN: Tensor) -> Tensor:
        """Show each group its own input from rest, and change weights and thresholds of ``net`` in place.

        Args: routes: ``Arrivals.of(net)``. spikes_TGN: 0 or 1.
        Returns: spikes of the excitatory neurons, (T, G, M).
        Raises: ShapeError.
        """
        groups, members, inputs = net.weight.shape
        if spikes_TGN.ndim != 3 or spikes_TGN.shape[1:] != (groups, inputs) or not len(spikes_TGN):
            expected = f"input spikes (T, {groups}, {inputs}), at least one step"
            raise ShapeError("TripletSTDP.present", expected=expected, got=str(tuple(spikes_TGN.shape)))
        weight, delay = net.weight.view(-1), net.delay.view(-1, inputs)
        trace = last_spike_trace(spikes_TGN, tau=self.tau_pre, dt=net.dt, before=net.longest).view(-1)
        group = torch.arange(groups).repeat_interleave(members)[:, None]
        # Where in ``trace`` each synapse finds what its input did a delay ago, for the first step.
        ago_JN = (net.longest - delay) * (groups * inputs) + group * inputs + torch.arange(inputs)
        keep1, keep2 = (math.exp(-net.dt / float(tau)) for tau in (self.tau_post1, self.tau_post2))
        post1, post2 = weight.new_zeros(groups * members), weight.new_zeros(groups * members)
        state, spikes = net.start(1), []
        for step, synapses_E in enumerate(routes.steps(spikes_TGN)):
            post1, post2 = post1 * keep1, post2 * keep2
            targets_E, weight_E = routes.target.index_select(0, synapses_E), weight.index_select(0, synapses_E)
            current = torch.zeros_like(post1).index_add_(0, targets_E, weight_E)
            weight.index_copy_(0, synapses_E, self.arrived(weight_E, post1.index_select(0, targets_E)))
            state, fired_BGM = net.step(state, current.view(1, groups, members))
            spikes.append(fired_BGM[0])
            if fired_BGM.any():
                k = fired_BGM.view(-1).nonzero()[:, 0]
                pre_KN = trace.take(ago_JN[k] + step * (groups * inputs))
                rows = weight.view(-1, inputs)
                rows[k] = self.fired(rows[k], pre_KN, post2[k])
                post1[k], post2[k] = 1.0, 1.0
        net.theta.copy_(state.theta[0])
        return torch.stack(spikes)


def normalise(weight_GMN: Tensor, *, total: float) -> None:
    """Scale the weights into each neuron, in place, so that they add up to ``total``; all zeros stay zeros."""
    sums = weight_GMN.sum(-1, keepdim=True)
    weight_GMN.mul_(torch.where(sums > 0, total / sums, 1.0))


def last_spike_trace(spikes_TN: Tensor, *, tau: float | Tensor, dt: float, before: int = 0) -> Tensor:
    """Compute traces that a spike sets to 1 and that decay as exp(-t / tau), of spikes (T, ...), 0 before the first.

    Args: spikes_TN: 0 or 1, of any type. tau, dt: ms. before: rows of zeros put in front.
    Returns: (before + T, ...), float32, or float64 for spikes of that type.
    """
    shape = (-1,) + (1,) * (spikes_TN.ndim - 1)
    # Types of 16 bits and fewer cannot count the steps.
    dtype = torch.promote_types(spikes_TN.dtype, torch.float32)
    time = torch.arange(len(spikes_TN), dtype=dtype, device=spikes_TN.device).view(shape)
    last = torch.where(spikes_TN != 0, time, -torch.inf).cummax(0).values
    trace = torch.exp((last - time) * (dt / tau))
    return torch.cat([trace.new_zeros(before, *trace.shape[1:]), trace])


class Arrivals(NamedTuple):
    """The synapses of groups that compete, sorted by group, delay and input.

    Args: order: (E,) flat index into weight (G, M, N). start: row (g, delay, n) has order[start[row] : start[row + 1]].
        target: (E,) by flat index, the neuron g * M + m. lags: 1 + longest delay.
    """

    order: Tensor
    start: Tensor
    target: Tensor
    lags: int

    @classmethod
    def of(cls, net: Competition) -> "Arrivals":
        """List the synapses of a network; its delays must not change afterwards."""
        groups, members, inputs = net.weight.shape
        lags = net.longest + 1
        group = torch.arange(groups)[:, None, None]
        row = ((group * lags + net.delay) * inputs + torch.arange(inputs)).reshape(-1)
        counts = torch.bincount(row, minlength=groups * lags * inputs)
        start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        target = torch.arange(groups * members).repeat_interleave(inputs)
        return cls(row.argsort(stable=True), start, target, lags)

    def steps(self, spikes_TGN: Tensor) -> "list[Tensor]":
        """List for each step the synapses at which a spike arrives, as flat indices; nothing is on its way at first."""
        found: list[Tensor] = []
        past_TGN = torch.cat([spikes_TGN.new_zeros(self.lags - 1, *spikes_TGN.shape[1:]), spikes_TGN]) != 0
        for first in range(0, len(spikes_TGN), CHUNK):
            count = min(CHUNK, len(spikes_TGN) - first)
            shifted = [past_TGN[first + self.lags - 1 - lag :][:count] for lag in range(self.lags)]
            time, row = torch.stack(shifted, 2).reshape(count, -1).nonzero(as_tuple=True)
            sizes = self.start[row + 1] - self.start[row]
            ends = sizes.cumsum(0)
            where = torch.arange(int(sizes.sum())) + (self.start[row] - ends + sizes).repeat_interleave(sizes)
            each = torch.zeros(count, dtype=torch.int64).index_add_(0, time, sizes)
            found += torch.split(self.order[where], each.tolist())
        return found
