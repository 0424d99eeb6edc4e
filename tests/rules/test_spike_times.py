"""Spike times against closed forms and a dense simulation, their derivatives against finite differences in float64."""

import math

import numpy as np
import pytest
import torch

from ranvier.rules.spike_times import Cell, fire, first_crossing, membrane

CELLS = {
    "tau_m = 2 tau_syn": Cell(tau_m=10.0, tau_syn=5.0, v_th=1.0),
    "equal": Cell(tau_m=7.0, tau_syn=7.0, v_th=1.0, v_reset=-0.3),
    "slow synapse": Cell(tau_m=4.0, tau_syn=9.0, v_th=1.0, v_reset=0.2),
}
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())


def column(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def test_one_event_makes_a_neuron_spike_when_and_as_the_closed_form_says():
    """tau_m = 2 tau_syn: v = w (x - x^2), x = exp(-t / tau_m), so x* = (1 + sqrt(1 - 4 v_th / w)) / 2 and dt/dw by hand."""
    cell, weight = CELLS["tau_m = 2 tau_syn"], 6.0
    jumps = torch.tensor([[[weight]]], dtype=torch.float64, requires_grad=True)
    times = torch.tensor([[3.0]], dtype=torch.float64, requires_grad=True)
    spike = fire(times, jumps, cell=cell, until=100.0)[0, 0, 0]
    root = math.sqrt(1 - 4 / weight)
    x = (1 + root) / 2
    assert float(spike.detach()) == pytest.approx(3.0 - 10.0 * math.log(x), abs=1e-12)
    spike.backward()
    by_hand = -10.0 / x * (1 / weight**2 / root)  # dx/dw = (1/2) (1/2) (4 v_th / w^2) / root
    assert float(jumps.grad) == pytest.approx(by_hand, rel=1e-12)
    assert float(times.grad) == pytest.approx(1.0, rel=1e-12)  # a later event is a later spike


def test_an_event_too_weak_by_a_hair_makes_none():
    cell = CELLS["tau_m = 2 tau_syn"]  # the peak of v is w / 4
    for weight, number in ((4.0 - 1e-9, 0), (4.0 + 1e-9, 1)):
        times = fire(column(0.0), torch.full((1, 1, 1), weight, dtype=torch.float64), cell=cell, until=100.0)
        assert torch.isfinite(times).sum() == number


def random_case(seed, events=12, batch=3, neurons=5):
    g = torch.Generator().manual_seed(seed)
    times, _ = (torch.rand(events, batch, generator=g, dtype=torch.float64) * 40).sort(dim=0)
    times[-3:, 0] = math.inf  # a sample with fewer events
    return times, torch.randn(events, batch, neurons, generator=g, dtype=torch.float64) * 3 + 1


@cells
def test_spike_times_are_those_of_a_dense_simulation(cell):
    times, jumps = random_case(1)
    ours = fire(times, jumps, cell=cell, until=50.0)
    dt = 2e-3
    v, i, found = np.zeros((3, 5)), np.zeros((3, 5)), [[[] for _ in range(5)] for _ in range(3)]
    pending = [sorted(((float(t), e) for e, t in enumerate(times[:, b]) if t < 50), reverse=True) for b in range(3)]
    for step in range(25_000):
        for b in range(3):
            while pending[b] and pending[b][-1][0] <= step * dt:
                i[b] += jumps[pending[b].pop()[1], b].numpy()
        middle = v + dt / 2 * (i - v) / cell.tau_m  # the midpoint rule
        half = i * math.exp(-dt / 2 / cell.tau_syn)
        v, i = v + dt * (half - middle) / cell.tau_m, i * math.exp(-dt / cell.tau_syn)
        for b, m in zip(*np.nonzero(v >= cell.v_th), strict=True):
            found[b][m].append((step + 1) * dt)
            v[b, m] = cell.v_reset
    counts = torch.tensor([[len(own) for own in row] for row in found])
    assert (torch.isfinite(ours).sum(-1) - counts).abs().max() <= 1  # one at the end may be late
    assert 10 < counts.sum() < 500
    for b in range(3):
        for m in range(5):
            first = min(3, int(counts[b, m]))  # each reset of the simulation comes up to dt late, and that adds up
            np.testing.assert_allclose(ours[b, m, :first], found[b][m][:first], atol=0.02)


@cells
def test_at_a_crossing_the_potential_is_the_threshold_to_the_last_bits_and_was_below_before(cell):
    g = torch.Generator().manual_seed(2)
    v, i = torch.rand(500, generator=g, dtype=torch.float64), 8 * torch.rand(500, generator=g, dtype=torch.float64)
    span = 20 * torch.rand(500, generator=g, dtype=torch.float64)
    found = first_crossing(cell, v, i, span)
    fired = torch.isfinite(found)
    assert 50 < fired.sum() < 450
    at = cell.leak(found) * v + cell.response(found) * i
    torch.testing.assert_close(at[fired], torch.full_like(at[fired], cell.v_th), rtol=0, atol=1e-13)
    shares = torch.linspace(0, 1, 200, dtype=torch.float64).view(-1, 1)
    before = shares[:-1] * torch.where(fired, found, span)
    assert (cell.leak(before) * v + cell.response(before) * i < cell.v_th + 1e-12).all()


@cells
def test_derivatives_of_spike_times_are_those_of_finite_differences(cell):
    times, jumps = random_case(3, events=4, batch=2, neurons=2)
    times, jumps = times.clamp(max=1e6).requires_grad_(), (jumps + 3).requires_grad_()
    weights = torch.randn(2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spikes = fire(times, jumps, cell=cell, until=35.0)
    assert torch.isfinite(spikes).sum() > 3

    def value(times, jumps):
        found = fire(times, jumps, cell=cell, until=35.0)
        return (weights[: found.numel()].view(found.shape) * torch.where(torch.isfinite(found), found, 0.0).sin()).sum()

    assert torch.autograd.gradcheck(value, (times, jumps), eps=1e-7, atol=1e-5, rtol=1e-5)


@cells
def test_potentials_are_the_sum_of_responses_and_differentiable(cell):
    times, jumps = random_case(4, events=5, batch=2, neurons=3)
    times = times.clamp(max=45.0).requires_grad_()
    at = torch.tensor([1.0, 13.0, 30.0, 49.0], dtype=torch.float64)
    found = membrane(times, jumps, at, cell=cell)
    expected = torch.zeros(4, 2, 3, dtype=torch.float64)
    for n, t in enumerate(at):
        for e in range(5):
            for b in range(2):
                span = float(t - times[e, b].detach())
                if span > 0:
                    s = np.linspace(0, span, 20001)
                    kernel = np.exp(-(span - s) / cell.tau_m - s / cell.tau_syn) / cell.tau_m
                    expected[n, b] += jumps[e, b] * float(np.trapezoid(kernel, s))
    torch.testing.assert_close(found.detach(), expected, rtol=1e-7, atol=1e-9)
    assert torch.autograd.gradcheck(lambda t, j: membrane(t, j, at, cell=cell), (times, jumps.requires_grad_()))


def test_without_events_or_spikes_there_is_nothing_and_gradients_are_zero():
    cell = CELLS["equal"]
    none = fire(torch.empty(0, 2, dtype=torch.float64), torch.empty(0, 2, 3, dtype=torch.float64), cell=cell, until=9.0)
    assert none.shape == (2, 3, 0)
    jumps = torch.full((1, 2, 3), 0.1, dtype=torch.float64, requires_grad=True)
    silent = fire(torch.zeros(1, 2, dtype=torch.float64), jumps, cell=cell, until=9.0)
    assert silent.shape == (2, 3, 0)
    silent.sum().backward()
    assert (jumps.grad == 0).all()
