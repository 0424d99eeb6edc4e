"""The event-driven Legendre memory unit is the unit. Axes: T time, B batch."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError, ShapeError, StateError, UnknownNameError
from ranvier.kernels.sparse.weights import Rows
from ranvier.nn import L2MU, LMU, Sequential, run
from ranvier.nn.inference import EventL2MU, compile_for_inference


def coarse_unit(memory=True):
    """A unit whose sums are exact in any order: weights are multiples of 1/16, thresholds powers of two, betas 1/2."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        sizes = {"channels": 3, "order": 4, "hidden": 9, "theta": 7.0}
        unit = L2MU(5, **sizes, memory=memory, betas=(0.5, 0.5, 0.5), thresholds=(0.5, 0.5, 0.5))
        with torch.no_grad():
            unit.encode.weight.normal_(std=0.4)
            unit.hidden.weight.normal_(std=0.5)
            for layer in (unit.encode, unit.memory, unit.hidden):
                layer.weight.copy_((layer.weight * 16).round() / 16)
            unit.log_thresholds.fill_(-math.log(2))
    return unit


def spikes(steps=30, batch=3):
    return (torch.rand(steps, batch, 5, generator=torch.Generator().manual_seed(7)) < 0.4).float()


@pytest.mark.parametrize("memory", [True, False])
def test_spikes_and_states_are_those_of_the_unit(memory):
    unit, x = coarse_unit(memory), spikes()
    y, state = run(unit, x)
    found, last = EventL2MU(unit).run(x)
    assert 0.05 < y.mean() < 0.95
    assert torch.equal(found, y)
    for a, b in zip(last, state[""], strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=0, atol=1e-6)


def test_raw_numbers_come_in_as_well_as_spikes():
    unit = coarse_unit()
    x = torch.randint(-8, 9, (20, 2, 5), generator=torch.Generator().manual_seed(1)) / 4
    assert torch.equal(EventL2MU(unit).run(x)[0], unit(x))


def test_pieces_are_the_whole_and_the_unit_may_take_over():
    unit, x = coarse_unit(), spikes()
    fast, whole = EventL2MU(unit), unit(x)
    first, state = fast.run(x[:11])
    second, later = fast.run(x[11:20], state)
    rest, _ = unit.run(x[20:], later)
    assert torch.equal(torch.cat([first, second, rest]), whole)
    stream = fast.stream(batch=3)
    stream.state = unit.run(x[:11])[1]
    assert torch.equal(torch.stack([stream(step) for step in x[11:]]), whole[11:])
    stream.state = None
    assert torch.equal(stream(x[0]), whole[0])


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
def test_small_weights_give_what_a_unit_with_rounded_weights_gives(weights):
    unit, x = coarse_unit(), spikes()
    twin = coarse_unit()
    with torch.no_grad():
        for layer, threshold in ((twin.encode, 0.5), (twin.memory, 0.5), (twin.hidden, 0.5)):
            weight = layer.weight.double().numpy() / threshold
            if weights == "int8":
                scale = np.abs(weight).max(1, keepdims=True) / 127
                scale[scale == 0] = 1
                rounded = np.round((weight / scale).astype(np.float32)).clip(-127, 127) * scale
            else:
                rounded = torch.from_numpy(weight).float().bfloat16().double().numpy()
            layer.weight.copy_(torch.from_numpy(rounded * threshold))
    expected, (found, _) = twin(x), EventL2MU(unit, weights=weights).run(x)
    # Scales of int8 make sums inexact, so that a spike at its threshold may move, and others with it.
    assert (found != expected).float().mean() < (0.03 if weights == "int8" else 1e-9)


def test_a_quarter_of_the_bytes():
    stream = EventL2MU(coarse_unit(), weights="int8").stream()
    assert stream.weight_bytes == 0
    stream(spikes()[0, :1])
    outputs, weights = 3 + 4 + 9, 3 * 26 + 4 * 5 + 9 * 26  # channels share the matrix of their memory
    assert stream.weight_bytes == weights + 2 * 4 * outputs  # a scale and a bias for each output
    assert Rows(torch.ones(26, 3), None, "int8").data.dtype == torch.int8


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"^EventL2MU: expected an L2MU, got a LMU\.$"):
        EventL2MU(LMU(5, channels=1, order=2, hidden=3, theta=4.0))
    with pytest.raises(UnknownNameError, match=r"EventL2MU\.weights"):
        EventL2MU(coarse_unit(), weights="int4")
    fast = EventL2MU(coarse_unit())
    with pytest.raises(ShapeError, match=r"^L2MU: expected input \(T, B, 5\), got \(4, 2, 6\)\.$"):
        fast.run(torch.zeros(4, 2, 6))
    with pytest.raises(StateError, match=r"L2MU: expected state\.m of shape \(3, 12\)"):
        fast.run(spikes(), fast.run(spikes(batch=2))[1])


def coarse_net(memory=True):
    """A unit between two products, all of whose sums are exact in any order."""
    net = Sequential({"input": nn.Linear(4, 5), "unit": coarse_unit(memory), "readout": nn.Linear(9, 3)})
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name in ("input", "readout"):
            for p in net.get_submodule(name).parameters():
                p.copy_(torch.randint(-8, 9, p.shape, generator=draw) / 8)
    return net


def samples(steps=30, batch=3):
    return torch.randint(-4, 5, (steps, batch, 4), generator=torch.Generator().manual_seed(7)) / 2


@pytest.mark.parametrize("memory", [True, False])
def test_a_network_around_a_unit_is_compiled_as_a_whole(memory):
    net, x = coarse_net(memory), samples()
    y, state = run(net, x)
    fast = compile_for_inference(net, crossover=1.0)
    found, last = fast.run(x)
    assert y.std() > 0.1
    assert torch.equal(found, y)
    assert set(last) == set(state) == {"unit"}
    first, between = fast.run(x[:11])
    assert torch.equal(torch.cat([first, fast.run(x[11:], between)[0]]), y)
    shown = {layer.path: layer for layer in fast.explain().layers}
    assert shown["unit"].form == "populations"
    assert "dense" not in {layer.form for layer in shown.values()}


def test_streams_of_a_compiled_unit_hand_their_states_on():
    net, x = coarse_net(), samples()
    whole = net(x)
    stream = compile_for_inference(net, crossover=1.0).stream(batch=3)
    stream.state = run(net, x[:11])[1]
    assert torch.equal(stream.run(x[11:20]), whole[11:20])
    some = stream.select([2, 0])
    assert torch.equal(some.run(x[20:, [2, 0]]), whole[20:, [2, 0]])
    assert torch.equal(stream.run(x[20:]), whole[20:])
    stream.reset()
    assert torch.equal(stream.run(x), whole)


def test_the_unit_alone_and_its_small_weights_are_compiled_too():
    unit, x = coarse_unit(), spikes()
    stream = compile_for_inference(unit, weights="int8").stream(batch=3)
    assert stream.weight_bytes == 0
    assert torch.equal(stream.run(x), EventL2MU(unit, weights="int8").run(x)[0])
    outputs, weights = 3 + 4 + 9, 3 * 26 + 4 * 5 + 9 * 26  # channels share the matrix of their memory
    assert stream.weight_bytes == weights + 2 * 4 * outputs
    around = compile_for_inference(coarse_net(), weights="int8").stream(batch=3)
    around(samples()[0])
    assert around.weight_bytes == stream.weight_bytes + 4 * 5 + 9 * 3 + 2 * 4 * (5 + 3)


def test_a_compiled_unit_refuses_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"^L2MU: expected input \(T, B, 5\), got \(1, 1, 4\)\.$"):
        compile_for_inference(coarse_unit())(torch.zeros(2, 4))
    fast = compile_for_inference(coarse_unit())
    with pytest.raises(StateError, match=r"L2MU: expected state\.m of shape \(3, 12\)"):
        fast.run(spikes(), fast.run(spikes(batch=2))[1])


def test_compiling_a_unit_draws_nothing_from_the_common_generator():
    unit = coarse_unit()
    before = torch.get_rng_state()
    EventL2MU(unit)
    compile_for_inference(unit)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_that_was_taken_does_not_change_with_the_stream():
    """With one channel the spikes of the memory lie as they are given out."""
    unit = L2MU(5, channels=1, order=4, hidden=9, theta=7.0)
    stream = EventL2MU(unit).stream(batch=3)
    stream.state = L2MU.State(*(torch.ones(shape) for shape in unit.state_shapes(spikes())))
    taken = stream.state
    stream.state = None
    assert all(bool((part == 1).all()) for part in taken)
    assert not any(bool(part.any()) for part in stream.state)
