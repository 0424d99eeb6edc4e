import copy
import re
from collections import OrderedDict

import pytest
import torch
from torch import nn

import ranvier.nn as rn
from ranvier.core.errors import ConfigError, DtypeError, NonFiniteError, ShapeError, UnknownNameError
from ranvier.neurons import LIF


def test_it_is_a_loop_over_time_of_its_plain_layers():
    x = torch.randn(4, 3, 2, 8, 8)
    conv, norm, flat, linear = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 5)
    net = rn.Sequential(conv, norm, nn.ReLU(), flat, linear).eval()
    steps = [linear(flat(norm(conv(x_B)).relu())) for x_B in x]
    torch.testing.assert_close(net(x), torch.stack(steps))


def test_a_batch_norm_sees_time_and_batch_at_once():
    x = torch.randn(4, 3, 2) * 5 + 1
    y = rn.Sequential(nn.BatchNorm1d(2))(x)
    torch.testing.assert_close(y, (x - x.mean((0, 1))) / (x.var((0, 1), unbiased=False) + 1e-5).sqrt())


def test_a_neuron_becomes_a_layer_and_fires(small):
    net, x = small
    assert isinstance(net[1], rn.Spiking)
    y = net(x)
    assert y.shape == (9, 3, 5)
    assert 0 < y.mean() < 1
    assert set(y.unique().tolist()) == {0.0, 1.0}


def test_two_calls_give_the_same_and_change_nothing(small):
    net, x = small
    before = [{k: v for k, v in m.__dict__.items() if not k.startswith("_")} for m in net.modules()]
    values = copy.deepcopy(net.state_dict())
    assert torch.equal(net(x), net(x))
    assert [{k: v for k, v in m.__dict__.items() if not k.startswith("_")} for m in net.modules()] == before
    assert all(torch.equal(values[k], v) for k, v in net.state_dict().items())


def test_names_come_from_a_mapping():
    net = rn.Sequential(OrderedDict(enc=nn.Linear(2, 3), spikes=LIF(), read=nn.Linear(3, 1)))
    assert [n for n, _ in net.named_children()] == ["enc", "spikes", "read"]
    assert net["enc"] is net[0] is next(iter(net))
    assert len(net) == 3
    assert net[-1] is net["read"]
    assert [n for n, _ in net[1:].named_children()] == ["spikes", "read"]
    with pytest.raises(UnknownNameError, match="got 'encc'. Did you mean 'enc'"):
        net["encc"]


def test_a_plain_container_with_time_inside_keeps_time_and_names():
    net = rn.Sequential(nn.Sequential(OrderedDict(a=nn.Conv2d(1, 2, 3), b=rn.Spiking(LIF()))), nn.Sequential(nn.Tanh()))
    assert net(torch.ones(3, 2, 1, 5, 5)).shape == (3, 2, 2, 3, 3)
    assert set(net.state_dict()) == {"0.a.weight", "0.a.bias"}
    assert type(net[1]) is nn.Sequential


def test_indices_reach_an_embedding():
    net = rn.Sequential(nn.Embedding(10, 4), LIF(v_th=0.1))
    tokens = torch.tensor([[1, 2], [3, 4], [5, 6]])
    assert net(tokens).shape == (3, 2, 4)


def test_state_dict_round_trip_and_deep_copy(small):
    net, x = small
    other = copy.deepcopy(net)
    assert torch.equal(other(x), net(x))
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    assert not torch.equal(other(x), net(x))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (torch.zeros(3), ShapeError, "Sequential: expected an input (T, B, ...) with at least 2 axes, got (3,)."),
        (torch.zeros(0, 3, 2), ShapeError, "Sequential: expected at least one time step, got an empty sequence"),
        (torch.zeros(1, 3, 2, dtype=torch.int32), DtypeError, "Sequential: expected a floating input, got torch.int32"),
        (torch.full((1, 3, 2), torch.inf), NonFiniteError, "Sequential: expected finite numbers, got 6 of 6 values"),
        (
            torch.zeros(1, 3, 4),
            ShapeError,
            'Linear "0": expected input (T, B, ..., 2), got (1, 3, 4). Features differ. Build it with in_features=4.',
        ),
    ],
)
def test_bad_input_is_refused_at_the_edge(x, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        rn.Sequential(nn.Linear(2, 2), LIF())(x)


def test_only_the_outermost_container_looks_at_every_number(monkeypatch):
    seen = []
    monkeypatch.setattr("ranvier.nn.sequential.check_finite", lambda where, x: seen.append(x.shape))
    net = rn.Sequential(rn.Sequential(nn.Linear(2, 3), LIF()), rn.Sequential(nn.Linear(3, 4)))
    net(torch.ones(1, 1, 2))
    assert seen == [(1, 1, 2)]
    with pytest.raises(ShapeError):
        net(torch.ones(1, 1, 5))
    net(torch.ones(1, 1, 2))
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((nn.Linear(2, 2), LIF), 'Sequential "1": expected a torch module or a neuron description, got the class LIF. Write LIF().'),
        ((torch.relu,), 'Sequential "0": expected a torch module or a neuron description, got <built-in'),
        (({"a": 3},), 'Sequential "a": expected a torch module or a neuron description, got 3.'),
    ],
)  # fmt: skip
def test_what_is_no_layer_is_refused(layers, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        rn.Sequential(*layers)
