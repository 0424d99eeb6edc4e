import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, UnknownNameError
from ranvier.neurons import ALIF, LIF


def test_spikes_and_potentials_are_those_of_single_steps(small):
    net, x = small
    with rn.observe(net) as seen:
        y = net(x)
    assert list(seen) == ["1", "3.branch.1", "6"]
    assert torch.equal(seen["6"].spikes_TB, y)
    state, v = None, {path: [] for path in seen}
    for frame in x:
        _, state = rn.run(net, frame.unsqueeze(0), state)
        for path in seen:
            v[path].append(state[path].v)
    for path, notes in seen.items():
        assert torch.equal(notes.states["v"], torch.stack(v[path])), path
        assert 0 < notes.spikes_TB.mean() < 1, path


def test_watching_changes_no_bit_and_leaves_no_graph(small):
    net, x = small
    before = net(x)
    with rn.observe(net) as seen:
        y = net(x)
        assert y.requires_grad
    assert torch.equal(y, before)
    assert not any(s.spikes_TB.requires_grad or s.states["v"].requires_grad for s in seen.values())


def test_the_latest_call_stands_and_nothing_is_noted_after_the_end(small):
    net, x = small
    with rn.observe(net, record=()) as seen:
        net(x)
        net(x[:2])
        assert seen["6"].states == {}
    net(x)
    assert seen["6"].spikes_TB.shape[0] == 2


def test_each_layer_gives_what_it_has():
    net = rn.Sequential(LIF(), ALIF())
    extra = next(name for name in ALIF.State._fields if name != "v")
    with rn.observe(net, record=("v", extra)) as seen:
        net(torch.ones(3, 2))
    assert set(seen["0"].states) == {"v"}
    assert set(seen["1"].states) == {"v", extra}


def test_a_stream_can_be_watched(small):
    net, x = small
    stream = net.stream(batch=3)
    with rn.observe(net) as seen:
        y = stream(x[0])
    assert torch.equal(seen["6"].spikes_TB[0], y)


def test_an_unknown_variable_is_refused(small):
    net, _ = small
    with (
        pytest.raises(UnknownNameError, match="observe.record: expected a known state variable"),
        rn.observe(net, ("w",)),
    ):
        pass


def test_the_observer_is_gone_after_an_error_and_observers_nest(small):
    net, x = small
    with pytest.raises(KeyError), rn.observe(net) as seen:
        raise KeyError
    net(x)
    assert seen == {}
    other = rn.Sequential(LIF())
    with rn.observe(net) as outer:
        with rn.observe(other) as inner:
            net(x)  # not watched here: layers of another network
            other(torch.ones(2, 1))
        assert outer == {}
        net(x)
    assert list(inner) == ["0"]
    assert len(outer) == 3


def test_a_compiled_network_is_refused():
    net = rn.Sequential(nn.Linear(2, 2), LIF())
    with pytest.raises(ConfigError, match="observe: expected a network as it was built, got a compiled one"):
        rn.observe(torch.compile(net, backend="eager")).__enter__()


def test_parallel_neurons_are_seen_with_their_spikes_and_what_meets_the_threshold():
    x = torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(5)) * 4 - 1
    net = rn.Sequential(rn.PSN(6), rn.MaskedPSN(6, 2), rn.SlidingPSN(3))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.linspace(0.2, 1.0, p.numel()).reshape(p.shape))
    with rn.observe(net) as seen:
        y = net(x)
    assert list(seen) == ["0", "1", "2"]
    assert torch.equal(seen["2"].spikes_TB, y)
    torch.testing.assert_close(seen["0"].states["v"], torch.einsum("tj,jbn->tbn", net[0].weight.detach(), x))
    for name, notes in seen.items():
        v_th = net[int(name)].v_th.detach().reshape(-1, 1, 1)
        assert torch.equal(notes.spikes_TB, (notes.states["v"] >= v_th).float()), name
        assert 0 < notes.spikes_TB.mean() < 1, name
        assert not notes.spikes_TB.requires_grad
    with rn.observe(net, record=()) as seen:
        net(x)
    assert all(notes.states == {} for notes in seen.values())
