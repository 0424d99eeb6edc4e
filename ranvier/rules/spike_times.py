"""Spike times of LIF neurons in continuous time, and their exact derivatives: what ``EventProp`` is made of.

Source: Wunderlich and Pehle 2021, Sci. Rep. 11:12829, table 1 (equations, jumps and adjoint).

    tau_m v' = -v + i,   tau_syn i' = -i,   i jumps at each event,   v -> v_reset where it reaches v_th   (v_rest = 0)

Letters: E events, B batch, M neurons, S spikes of a neuron. All is float64; a time that is infinite is no event.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ranvier.neurons.discretisation import mean_growth

_MOST_STEPS = 60  # of Newton's method; a handful but where v only just reaches the threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A neuron: time constants, ms; threshold and reset above rest, mV, v_reset < v_th and v_th > 0."""

    tau_m: float
    tau_syn: float
    v_th: float = math.inf
    v_reset: float = 0.0

    def leak(self, span: Tensor) -> Tensor:
        """Compute what is left of v after a time."""
        return torch.exp(-span / self.tau_m)

    def decay(self, span: Tensor) -> Tensor:
        """Compute what is left of i after a time."""
        return torch.exp(-span / self.tau_syn)

    def response(self, span: Tensor) -> Tensor:
        """Compute what i = 1 does to v in a time: (1 / tau_m) int_0^t exp(-(t - s) / tau_m - s / tau_syn) ds."""
        growth = mean_growth(span * (1 / self.tau_m - 1 / self.tau_syn))
        return span / self.tau_m * self.leak(span) * growth

    def slope(self, v: float | Tensor, i: Tensor) -> Tensor:
        """Compute v'."""
        return (i - v) / self.tau_m

    def peak(self, v: Tensor, i: Tensor) -> Tensor:
        """Compute when v is largest, for i > v and i > 0: the root of i(t) = v(t)."""
        if self.tau_m == self.tau_syn:
            return self.tau_m * (1 - v / i)
        difference = (self.tau_syn - self.tau_m) / self.tau_m
        return torch.log1p(difference * (1 - v / i)) / difference * self.tau_syn


def first_crossing(cell: Cell, v: Tensor, i: Tensor, span: Tensor) -> Tensor:
    """Find when v first reaches v_th within a span, from below; infinity where it does not. All of one shape.

    Between events v rises to at most one peak, so it crosses before the peak or not at all. On the way up it is concave
    (v'' = -(i / tau_syn + v') / tau_m), so Newton's method from the left comes to the root without passing it.
    """
    found = torch.full_like(v, math.inf)
    rises = (i > cell.v_th) & (span > 0)  # v never exceeds the i that drives it
    if not bool(rises.any()):
        return found
    v, i, span = v[rises], i[rises], span[rises]
    high = torch.minimum(cell.peak(v, i), span)
    crosses = cell.leak(high) * v + cell.response(high) * i >= cell.v_th
    v, i, high = v[crosses], i[crosses], high[crosses]
    at = torch.zeros_like(high)
    for _ in range(_MOST_STEPS):
        value = cell.leak(at) * v + cell.response(at) * i
        slope = cell.slope(value, cell.decay(at) * i)
        nearer = torch.where(slope > 0, at + (cell.v_th - value) / slope, high)
        nearer = torch.minimum(torch.maximum(nearer, at), high)
        if bool((nearer - at <= 1e-16 * high).all()):
            break
        at = nearer
    inside = torch.full_like(crosses, math.inf, dtype=found.dtype)
    inside[crosses] = at
    found[rises] = inside
    return found


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, times_EB: Tensor, jumps_EBM: Tensor, cell: Cell, until: float) -> Tensor:
        times_BMS, currents_BMS = _simulate(cell, times_EB, jumps_EBM, until)
        ctx.save_for_backward(times_EB, jumps_EBM, times_BMS, currents_BMS)
        ctx.rest = cell, until
        return times_BMS

    @staticmethod
    def backward(ctx: Any, grad_BMS: Tensor) -> tuple[Tensor, Tensor, None, None]:
        cell, until = ctx.rest
        d_times_EB, d_jumps_EBM = _adjoint(cell, until, grad_BMS, *ctx.saved_tensors)
        return d_times_EB, d_jumps_EBM, None, None


def fire(times_EB: Tensor, jumps_EBM: Tensor, *, cell: Cell, until: float) -> Tensor:
    """Compute when neurons spike.

    The derivatives are those of the adjoint equations, for spikes that neither appear nor vanish: a spike moves by
    -dv / v' where v moves by dv, and after it the membrane runs late by as much. Memory grows with the number of events
    and spikes, not with time.

    Args: times_EB: of events, ascending along E, in [0, until] or infinite. jumps_EBM: of i at each. until: end, ms.
    Returns: times_BMS, ascending along S, filled up with infinity. Differentiable in times and jumps.
    """
    found: Tensor = _Fire.apply(times_EB, jumps_EBM, cell, until)  # type: ignore[no-untyped-call] # torch's apply
    return found


def membrane(times_EB: Tensor, jumps_EBM: Tensor, at_T: Tensor, *, cell: Cell) -> Tensor:
    """Compute the potential of neurons that never spike, at some times: (T, B, M), differentiable by autograd."""
    span_TEB = (at_T.view(-1, 1, 1) - times_EB).clamp(min=0.0)  # the response is 0 there
    return torch.einsum("teb,ebm->tbm", cell.response(span_TEB), jumps_EBM)


def _simulate(cell: Cell, times_EB: Tensor, jumps_EBM: Tensor, until: float) -> tuple[Tensor, Tensor]:
    """Return the times of spikes and the i at each, both (B, M, S)."""
    v_BM = torch.zeros_like(jumps_EBM[0]) if len(jumps_EBM) else jumps_EBM.new_zeros(jumps_EBM.shape[1:])
    i_BM, now_BM = torch.zeros_like(v_BM), torch.zeros_like(v_BM)
    spikes: list[tuple[Tensor, Tensor, Tensor]] = []  # who, when, and the i there
    ends_EB = torch.cat([times_EB.clamp(max=until), times_EB.new_full((1, times_EB.shape[1]), until)])
    for number, end_B in enumerate(ends_EB):
        end_BM = end_B.unsqueeze(1).expand_as(v_BM)
        span_BM = first_crossing(cell, v_BM, i_BM, end_BM - now_BM)
        while bool((fired_BM := torch.isfinite(span_BM)).any()):
            span_BM = torch.where(fired_BM, span_BM, 0.0)
            now_BM, i_BM = now_BM + span_BM, cell.decay(span_BM) * i_BM
            v_BM = torch.where(fired_BM, cell.v_reset, v_BM)
            spikes.append((fired_BM, now_BM, i_BM))
            left_BM = torch.where(fired_BM, end_BM - now_BM, 0.0)
            span_BM = first_crossing(cell, v_BM, i_BM, left_BM)
        span_BM = (end_BM - now_BM).clamp(min=0.0)
        v_BM, i_BM, now_BM = (
            cell.leak(span_BM) * v_BM + cell.response(span_BM) * i_BM,
            cell.decay(span_BM) * i_BM,
            end_BM,
        )
        if number < len(times_EB):
            i_BM = i_BM + torch.where(torch.isfinite(times_EB[number]).unsqueeze(1), jumps_EBM[number], 0.0)
    return _packed(spikes, like_BM=v_BM)


def _packed(spikes: Sequence[tuple[Tensor, Tensor, Tensor]], *, like_BM: Tensor) -> tuple[Tensor, Tensor]:
    """Lay each neuron's spikes side by side."""
    if not spikes:
        return like_BM.new_empty(*like_BM.shape, 0), like_BM.new_empty(*like_BM.shape, 0)
    who, when, current = (torch.stack(part) for part in zip(*spikes, strict=True))
    place = who.cumsum(0) - 1
    size = int(place.max()) + 1
    times = like_BM.new_full((*like_BM.shape, size), math.inf)
    currents = like_BM.new_zeros(times.shape)
    _, b, m = who.nonzero(as_tuple=True)
    times[b, m, place[who]], currents[b, m, place[who]] = when[who], current[who]
    return times, currents


def _adjoint(
    cell: Cell, until: float, grad_BMS: Tensor,
    times_EB: Tensor, jumps_EBM: Tensor, times_BMS: Tensor, currents_BMS: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Run the sensitivities p_v = dL/dv(t) and p_i = dL/di(t) back from the end.

    Returns: dL/dtimes (E, B), dL/djumps (E, B, M).
    """
    p_v = torch.zeros_like(times_BMS[..., 0]) if times_BMS.shape[-1] else torch.zeros_like(jumps_EBM[0])
    p_i, now_BM = torch.zeros_like(p_v), torch.full_like(p_v, until)
    left_BM = torch.isfinite(times_BMS).sum(-1)  # spikes still to come on the way back
    d_times, d_jumps = torch.zeros_like(times_EB), torch.zeros_like(jumps_EBM)
    for number in range(len(times_EB) - 1, -1, -1):
        valid_B = torch.isfinite(times_EB[number])
        start_BM = times_EB[number].clamp(max=until).unsqueeze(1).expand_as(p_v)
        while True:
            place = (left_BM - 1).clamp(min=0).unsqueeze(-1)
            has_BM = left_BM > 0
            if not bool(has_BM.any()):
                break
            at_BM = times_BMS.gather(-1, place).squeeze(-1)
            fired_BM = has_BM & (at_BM > start_BM)
            if not bool(fired_BM.any()):
                break
            span_BM = torch.where(fired_BM, now_BM - at_BM, 0.0)
            p_v, p_i = cell.leak(span_BM) * p_v, cell.decay(span_BM) * p_i + cell.response(span_BM) * p_v
            i_BM = currents_BMS.gather(-1, place).squeeze(-1)
            wanted_BM = grad_BMS.gather(-1, place).squeeze(-1)
            jumped = (cell.slope(cell.v_reset, i_BM) * p_v - wanted_BM) / cell.slope(cell.v_th, i_BM)
            p_v = torch.where(fired_BM, jumped, p_v)
            now_BM = torch.where(fired_BM, at_BM, now_BM)
            left_BM = left_BM - fired_BM.long()
        span_BM = now_BM - start_BM
        p_v, p_i, now_BM = cell.leak(span_BM) * p_v, cell.decay(span_BM) * p_i + cell.response(span_BM) * p_v, start_BM
        d_jumps[number] = torch.where(valid_B.unsqueeze(1), p_i, 0.0)
        later_BM = jumps_EBM[number] * (p_i / cell.tau_syn - p_v / cell.tau_m)  # of a jump that comes later
        d_times[number] = torch.where(valid_B, later_BM.sum(1), 0.0)
    return d_times, d_jumps
