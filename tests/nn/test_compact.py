"""Spikes kept as bits: the same gradients from less memory. T time, B batch."""

import torch
from torch import nn

import ranvier as rv
from ranvier.nn import compact
from ranvier.nn.compact import _pack, compact_spikes


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = rv.nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), rv.LIF(tau_m=2.0), nn.Conv2d(8, 8, 3, padding=1), rv.LIF(tau_m=2.0),
        nn.Flatten(), nn.Linear(8 * 10 * 10, 16), rv.LIF(tau_m=2.0), nn.Linear(16, 4),
    )  # fmt: skip
    with torch.no_grad():
        for weight in layers.parameters():
            weight.mul_(6.0)  # so that the last layer fires too
    return layers


def step(layers: nn.Module, x: torch.Tensor, *, bits: bool) -> list[torch.Tensor]:
    layers.zero_grad()
    if bits:
        with compact_spikes():
            out = layers(x)
    else:
        out = layers(x)
    out.square().sum().backward()
    return [out.detach(), *(p.grad.clone() for p in layers.parameters() if p.grad is not None)]


def test_results_and_gradients_are_the_same_to_the_last_bit() -> None:
    layers, x = net(), torch.rand(5, 3, 2, 10, 10, generator=torch.Generator().manual_seed(1)) * 8
    plain, packed = (step(layers, x, bits=c) for c in (False, True))
    assert len(plain) == 9
    for a, b in zip(plain, packed, strict=True):
        assert torch.equal(a, b)
    assert all(g.abs().sum() > 0 for g in plain[1:])


def test_saved_spikes_take_a_32nd() -> None:
    layers = nn.Linear(256, 8)
    spikes = (torch.rand(64, 256, generator=torch.Generator().manual_seed(2)) < 0.2).float()
    held: list[int] = []

    def counting(tensor: torch.Tensor) -> object:
        packed = compact._pack(tensor)
        held.append(packed.bytes.numel() if hasattr(packed, "bytes") else 4 * packed.numel())
        return packed

    with torch.autograd.graph.saved_tensors_hooks(counting, compact._unpack):
        out = layers(spikes)
    assert held == [64 * 256 // 8]
    out.sum().backward()
    torch.testing.assert_close(layers.weight.grad, spikes.sum(0).expand(8, 256))


def test_parameters_and_small_tensors_stay_as_they_are() -> None:
    ones = nn.Parameter(torch.ones(10_000))
    assert _pack(ones) is ones
    small = torch.ones(100)
    assert _pack(small) is small
    graded = torch.full((10_000,), 0.5)
    assert _pack(graded) is graded
