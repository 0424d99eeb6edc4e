"""Compiled networks on frames of bits and bytes: what the dense frames give, and nothing is unpacked. T time, B batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import ranvier as rv
from ranvier.kernels import bits
from ranvier.kernels.packed import PackedSpikes
from ranvier.kernels.sparse import native

needs_extension = pytest.mark.skipif(native.absence() is not None, reason="the C++ extension is not built")


def network(channels=2, classes=5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return rv.nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1), rv.LIF(tau_m=2.0, v_th=0.1), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(16 * 4 * 3, classes), rv.LIF(tau_m=2.0, v_th=0.01),
        ).eval()  # fmt: skip


def given_in(x, form):
    if form in ("uint8", "bool"):
        return x.to(getattr(torch, form))
    return PackedSpikes.of(x, "bits" if form == "bits" else "uint8")


@needs_extension
@pytest.mark.parametrize("form", ["bits", "uint8 spikes", "uint8", "bool"])
@settings(max_examples=15, deadline=None)
@given(
    channels=st.sampled_from([1, 2, 3]),
    batch=st.integers(1, 3),
    density=st.sampled_from([0.0, 0.3, 1.0]),
    last=st.booleans(),
)
def test_all_ways_in_take_frames_as_they_lie(form, channels, batch, density, last):
    g = torch.Generator().manual_seed(batch)
    x = (torch.rand(6, batch, channels, 9, 7, generator=g) < density).float()
    fast = rv.compile_for_inference(network(channels), crossover=1.0)
    law, state = fast.run(x)
    frames = [f.contiguous(memory_format=torch.channels_last) if last else f for f in x]
    held, ours, stream = None, [], fast.stream(batch=batch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bits, "unpack", lambda *_: pytest.fail("spikes were unpacked"))
        patch.setattr(PackedSpikes, "dense", lambda _: pytest.fail("spikes were unpacked"))
        assert torch.equal(torch.stack([stream(given_in(f, form)) for f in frames]), law)
        assert torch.equal(fast.run(given_in(x, form))[0], law)
        for frame in x:
            out, held = fast(given_in(frame, form), held)
            ours.append(out)
    assert torch.equal(torch.stack(ours), law)
    for path, value in state.items():
        assert all(torch.equal(a, b) for a, b in zip(held[path], value, strict=True))
    assert density == 0.0 or law.any()


@needs_extension
def test_channels_last_frames_of_floats_are_not_copied(monkeypatch):
    x = (torch.rand(2, 3, 9, 7) < 0.3).float() * 2.5
    fast = rv.compile_for_inference(network(3), crossover=1.0)
    law, _ = fast(x)
    turned, stream = x.contiguous(memory_format=torch.channels_last), fast.stream(batch=2)
    stream(x)
    stream.reset()
    monkeypatch.setattr(torch.Tensor, "contiguous", lambda *_, **__: pytest.fail("a frame was copied"))
    assert torch.equal(stream(turned), law)


def test_plain_torch_takes_packed_frames_as_well(monkeypatch):
    x = (torch.rand(4, 2, 2, 9, 7) < 0.3).float()
    law, _ = rv.compile_for_inference(network()).run(x)
    monkeypatch.setattr("ranvier.nn.inference.compile.absence", lambda: "told so")
    fast = rv.compile_for_inference(network(), crossover=1.0)
    for form in ("bits", "uint8 spikes", "uint8"):
        out, _ = fast.run(given_in(x, form))
        assert torch.allclose(out, law)
    assert fast.explain().executor == "plain torch"
