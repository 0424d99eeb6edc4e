"""Layers take packed spikes and hand them on: what they say is what they say of the dense ones."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

import ranvier as rv
import ranvier.nn as rn
from ranvier.core.errors import ConfigError, DtypeError, UnknownNameError
from ranvier.measure.activity import activity
from ranvier.measure.operations import operations
from ranvier.neurons import ALIF, LIF, IntegerLIF, LeakyIntegrator
from ranvier.nn import PackedSpikes

FORMS = ("bits", "uint8")
CHANNELS, STEPS = 4, 6
LAYERS = {
    "Spiking": lambda: rn.Spiking(LIF(tau_m=2.0, v_th=0.4), learn=("tau_m",)),
    "Recurrent": lambda: rn.Recurrent(ALIF(tau_m=3.0, v_th=0.3), 5, bias=True),
    "TdBN": lambda: rn.TdBN(CHANNELS),
    "TEBN": lambda: rn.TEBN(CHANNELS, STEPS),
    "BNTT": lambda: rn.BNTT(CHANNELS, STEPS),
    "Dropout": lambda: rn.Dropout(0.5).eval(),
    "Delay": lambda: rn.Delay(2),
    "PSN": lambda: rn.PSN(STEPS),
    "MaskedPSN": lambda: rn.MaskedPSN(STEPS, 3),
    "SlidingPSN": lambda: rn.SlidingPSN(3),
    "EventLinear": lambda: rn.EventLinear(5, 3),
    "Folded": lambda: rn.Folded(nn.Linear(5, 3)),
    "Residual": lambda: rn.Residual(nn.Linear(5, 5)),
    "Sequential": lambda: rn.Sequential(nn.Flatten(), nn.Linear(20, 3), LIF(tau_m=2.0)),
    "pooling": lambda: rn.Sequential(nn.MaxPool1d(2)),
    "convolution": lambda: rn.Sequential(nn.Conv1d(CHANNELS, 3, 3, padding=1), nn.BatchNorm1d(3)),
    "identity": lambda: rn.Sequential(nn.Identity(), nn.Flatten()),
}  # fmt: skip


def spikes(*shape: int, seed: int = 3) -> torch.Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.3).float()


def built(make: object, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()  # type: ignore[operator]


def plain(x: torch.Tensor) -> torch.Tensor:
    return x.dense() if isinstance(x, PackedSpikes) else x


def passed(layer: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Give the output and the gradients of every parameter and of the input."""
    x = x.requires_grad_()
    y = plain(layer(x))
    layer.zero_grad()
    (y * torch.arange(1.0, y.numel() + 1).reshape(y.shape)).sum().backward()
    grads = [torch.zeros(()) if p.grad is None else p.grad.clone() for p in layer.parameters()]
    return [y.detach(), x.grad, *grads]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [1, 3, 0])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_says_the_same_of_packed_spikes(name: str, batch: int, form: str) -> None:
    if batch == 0 and name in ("TdBN", "TEBN", "BNTT", "convolution", "pooling", "EventLinear", "Sequential"):
        pytest.skip("torch refuses to norm or pool nothing")
    x = spikes(STEPS, batch, CHANNELS, 5)
    dense = passed(built(LAYERS[name]), x.clone())
    packed = passed(built(LAYERS[name]), PackedSpikes.of(x, form).detach())
    for a, b in zip(dense, packed, strict=True):
        assert torch.equal(plain(a), plain(b))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 7), (5, 3, 9), (2, 0, 4), (4, 2, 3, 5, 7)])
def test_spikes_handed_on_in_any_form_are_the_same(shape: tuple[int, ...], form: str) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 4
    dense, packed = rn.Spiking(LIF(tau_m=2.0)), rn.Spiking(LIF(tau_m=2.0), spikes=form)
    y, state = dense.run(x)
    z, also = packed.run(x)
    assert isinstance(z, PackedSpikes)
    assert z.form == form
    assert torch.equal(z.dense(), y)
    assert all(type(s) is torch.Tensor and torch.equal(s, t) for s, t in zip(also, state, strict=True))


def net(form: str, *, outer: bool = False) -> rn.Sequential:
    def make() -> rn.Sequential:
        return rn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1), LIF(tau_m=2.0), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3, padding=1),
            rn.Residual(nn.Sequential(rn.Spiking(LIF(), spikes=form))), LIF(tau_m=2.0), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(32, 16), rn.Recurrent(ALIF(tau_m=2.0), 16, spikes=form), rn.EventLinear(16, 9),
            *([LIF(tau_m=2.0)] if outer else []), spikes=form,
        )  # fmt: skip

    layers: rn.Sequential = built(make)  # type: ignore[assignment]
    with torch.no_grad():
        for p in layers.parameters():
            p.copy_((p * 48).round() / 8)  # exact in any order and chunk
    return layers


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_network_gives_the_same_bits_and_gradients(form: str, channels_last: bool) -> None:
    for seed in range(3):
        x, results = spikes(5, 3, 2, 10, 10, seed=seed), []
        for kind in ("dense", form):
            layers = net(kind)
            if channels_last:
                layers = layers.to(memory_format=torch.channels_last)
            for given in (x, PackedSpikes.of(x, "bits"), x.to(torch.uint8), x.bool()):
                layers.zero_grad()
                y = layers(given)
                y.square().sum().backward()
                results.append([y.detach(), *(p.grad.clone() for p in layers.parameters())])
        for other in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
        assert all(g.abs().sum() > 0 for g in results[0])


def test_sixteen_bits_by_autocast_are_the_same() -> None:
    x, results = spikes(5, 3, 2, 10, 10), []
    for form in ("dense", *FORMS):
        layers = net(form)
        with torch.autocast("cpu", torch.bfloat16):
            y = layers(x)
        y.float().square().sum().backward()
        results.append([y.detach(), *(p.grad for p in layers.parameters())])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_states_streams_and_chunks_are_the_same(form: str) -> None:
    x = spikes(6, 3, 2, 10, 10)
    layers = net(form, outer=True).eval()
    whole = net("dense", outer=True).eval()(x)
    assert 0 < whole.mean() < 1
    first, state = rn.run(layers, x[:2])
    second, _ = rn.run(layers, PackedSpikes.of(x)[2:], state)
    assert torch.equal(torch.cat([first, second]), whole)
    stream = layers.stream(batch=3)
    for t, frame in enumerate(x.to(torch.uint8)):
        y = stream(frame)
        assert isinstance(y, PackedSpikes)
        assert torch.equal(y.dense(), whole[t])


@pytest.mark.parametrize("form", FORMS)
def test_what_an_observer_sees_is_packed_and_can_be_measured(form: str) -> None:
    x, notes = spikes(5, 3, 2, 10, 10), {}
    for kind in ("dense", form):
        layers = net(kind)
        with rn.observe(layers) as seen:
            layers(x)
        notes[kind] = seen
    assert list(notes[form]) == list(notes["dense"]) == ["1", "4.branch.0", "5", "9"]
    for path, found in notes[form].items():
        want = notes["dense"][path]
        assert isinstance(found.spikes_TB, PackedSpikes)
        assert torch.equal(found.spikes_TB.dense(), want.spikes_TB)
        assert torch.equal(found.states["v"], want.states["v"])
        assert activity(found.spikes_TB) == activity(want.spikes_TB)
    assert operations(net(form), x) == operations(net("dense"), x)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_there_is_one_graph_and_spikes_come_out_dense(backend: str) -> None:
    torch._dynamo.reset()
    layers, x = net("bits", outer=True), spikes(5, 3, 2, 10, 10)
    results = []
    for forward in (layers, torch.compile(layers, fullgraph=True, backend=backend)):
        for given in (x, x.to(torch.uint8), PackedSpikes.of(x)):
            layers.zero_grad()
            y = forward(given)
            (plain(y) * torch.arange(9.0)).sum().backward()
            results.append([plain(y).detach(), *(p.grad.clone() for p in layers.parameters())])
            assert isinstance(y, PackedSpikes) == (forward is layers)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b)
    torch._dynamo.reset()


def test_exported_the_network_gives_the_same() -> None:
    layers, x = net("bits").eval(), spikes(5, 3, 2, 10, 10)
    torch.testing.assert_close(torch.export.export(layers, (x,)).module()(x), layers(x))


def test_an_event_driven_network_takes_packed_frames() -> None:
    def make(form: str) -> rn.Sequential:
        return rn.Sequential(nn.Linear(12, 8), LIF(tau_m=2.0, v_th=0.2), nn.Linear(8, 3), spikes=form)

    x = spikes(5, 2, 12)
    fast = rv.compile_for_inference(built(partial(make, "bits")))
    want, _ = rv.compile_for_inference(built(partial(make, "dense"))).run(x)
    for given in (x, PackedSpikes.of(x), PackedSpikes.of(x, "uint8")):
        y, _ = fast.run(given)
        assert torch.equal(y, want)


def test_graded_spikes_fit_bytes_and_other_outputs_neither() -> None:
    x = torch.rand(5, 3, 7, generator=torch.Generator().manual_seed(1)) * 9
    want = rn.Spiking(IntegerLIF())(x)
    assert want.max() > 1
    assert torch.equal(rn.Spiking(IntegerLIF(), spikes="uint8")(x).dense(), want)
    with pytest.raises(ConfigError, match=r'Spiking\(IntegerLIF\) "0": expected zeros and ones, got other numbers'):
        rn.Sequential(IntegerLIF(), spikes="bits")(x)
    with pytest.raises(ConfigError, match=r'Spiking\(\w+\): expected whole numbers .* "dense" holds any number.'):
        rn.Spiking(LeakyIntegrator(), spikes="uint8")(x)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [partial(rn.PSN, STEPS), partial(rn.MaskedPSN, STEPS, 3), partial(rn.SlidingPSN, 3)])
def test_parallel_neurons_hand_spikes_on_in_any_form(kind: Callable[..., nn.Module], form: str) -> None:
    layer, other = kind(), kind(spikes=form)
    other.load_state_dict(layer.state_dict())
    x = 2 * torch.randn(STEPS, 2, 7, generator=torch.Generator().manual_seed(1))
    assert 0 < layer(x).mean() < 1
    assert isinstance(other(x), PackedSpikes)
    for one, two in zip(passed(layer, x.clone()), passed(other, x.clone()), strict=True):
        assert torch.equal(one, two)


def test_unknown_forms_and_bytes_without_a_container_are_refused() -> None:
    for make in (partial(rn.Spiking, LIF()), partial(rn.Recurrent, LIF(), 3), partial(rn.Sequential, LIF())):
        with pytest.raises(UnknownNameError, match=r"\.spikes: expected a known form .*, got 'float'"):
            make(spikes="float")
    with pytest.raises(DtypeError, match=r"Spiking\(LIF\): expected a floating input, got torch.uint8"):
        rn.Spiking(LIF())(torch.ones(2, 3, dtype=torch.uint8))


def test_a_layer_says_how_it_hands_spikes_on() -> None:
    assert "spikes=bits" in repr(rn.Spiking(LIF(), spikes="bits"))
    assert "spikes=uint8" in repr(rn.Recurrent(LIF(), 3, spikes="uint8"))
    assert "spikes" not in repr(rn.Spiking(LIF()))
