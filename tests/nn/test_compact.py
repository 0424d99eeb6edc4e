"""Spikes kept as bits: the same gradients from less memory. T time, B batch."""

import contextlib
import copy

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

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
        held.append(packed.nbytes)
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


def normed(norm: type, *, channels_last: bool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        branch = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), norm(8), rv.nn.Spiking(rv.LIF(), learn=("tau_m",)))
        layers = rv.nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1), norm(8), rv.LIF(tau_m=2.0), nn.AvgPool2d(2), rv.nn.Residual(branch),
            nn.Flatten(), nn.Linear(800, 300), nn.BatchNorm1d(300), rv.LIF(tau_m=2.0),
        )  # fmt: skip
    with torch.no_grad():
        layers[4].branch[1].weight.mul_(30)
    return layers.to(memory_format=torch.channels_last) if channels_last else layers


def big() -> torch.Tensor:
    return torch.rand(5, 3, 2, 20, 20, generator=torch.Generator().manual_seed(4)) * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, rv.nn.TdBN])
def test_currents_out_of_a_norm_are_made_anew_to_the_last_bit(
    norm: type, channels_last: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Apart, as where the two cannot run as one kernel, which would keep none of these currents at all.
    monkeypatch.setattr("ranvier.nn.sequential.joins", lambda *_: False)
    made: list[torch.Tensor] = []
    normalise = compact._normalise
    monkeypatch.setattr(compact, "_normalise", lambda *a: made.append(normalise(*a)) or made[-1])
    results = []
    for small in (False, True):
        layers = normed(norm, channels_last=channels_last)
        with (
            compact_spikes() if small else contextlib.nullcontext(),
            torch.autocast("cpu", torch.bfloat16, enabled=dtype != torch.float32),
        ):
            out = layers(big())
        assert not made
        out.float().square().sum().backward()
        results.append([out.detach(), *(p.grad for p in layers.parameters()), *layers.buffers()])
    assert len(made) == 3
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)
    assert 0 < results[0][0].float().mean() < 1
    assert all(r.abs().sum() > 0 for r in results[0][1:])


def test_a_norm_that_would_not_repeat_itself_is_not_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "_normalise", lambda *_: pytest.fail("made anew"))
    still = normed(nn.BatchNorm2d, channels_last=False).eval()  # running statistics may change meanwhile
    hooked = normed(nn.BatchNorm2d, channels_last=False)
    for name in ("1", "4.branch.1", "7"):
        hooked.get_submodule(name).register_forward_hook(lambda _m, _i, y: y * 1.5)
    for layers in (still, hooked):
        plain = copy.deepcopy(layers)
        with compact_spikes():
            out = layers(big())
        out.sum().backward()
        plain(big()).sum().backward()
        for a, b in zip(layers.parameters(), plain.parameters(), strict=True):
            assert torch.equal(a.grad, b.grad)


def test_neither_spikes_nor_currents_live_on_until_the_backward_pass() -> None:
    layers, weight = normed(nn.BatchNorm2d, channels_last=False)[:3], torch.ones(1, 8, 3, 3, requires_grad=True)
    memory: list[StorageWeakRef] = []
    layers[0].register_forward_hook(lambda _m, _i, y: memory.append(StorageWeakRef(y.untyped_storage())))
    layers[2].register_forward_pre_hook(lambda _, x: memory.append(StorageWeakRef(x[0].untyped_storage())))
    expected = {False: [False, False, False], True: [False, True, True]}
    for small, dead in expected.items():
        memory.clear()
        with compact_spikes() if small else contextlib.nullcontext():
            spikes = layers(big())
            out = nn.functional.conv2d(spikes.flatten(0, 1), weight).sum()
        memory.append(StorageWeakRef(spikes.untyped_storage()))
        del spikes
        assert [m.expired() for m in memory] == dead  # the norm's input, currents, spikes
        out.backward()
    assert layers[1].weight.grad.abs().sum() > 0
