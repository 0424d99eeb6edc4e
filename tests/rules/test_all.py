"""What holds for every rule that the room exports."""

import inspect

import pytest
import torch
from torch import nn

import ranvier.rules as room
from ranvier.core.reset import Subtract, ToValue
from ranvier.core.rule import Rule
from ranvier.neurons import LIF, LeakyIntegrator, SynapticLIF
from ranvier.nn import Sequential, guard
from ranvier.train import SGD, Constant, Train
from ranvier.train.losses import TET
from ranvier.train.step import Stepper

ALL = [getattr(room, name) for name in room.__all__]
RULES = [kind for kind in ALL if inspect.isclass(kind) and issubclass(kind, Rule)]  # not what they are made of
every = pytest.mark.parametrize("kind", RULES, ids=lambda k: k.__name__)
NOT_ADDITIVE = {"STDP"}  # its hard bounds look at the sum over the batch
LOSS = TET()


def build(kind):
    """Build the smallest network that a rule is defined for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first, last = nn.Linear(6, 12, bias=False), nn.Linear(12, 3, bias=False)
    with torch.no_grad():
        first.weight.mul_(10.0 if kind.__name__ == "EventProp" else 2.0)
    if kind.__name__ == "HLOP":
        guard(first, 2), guard(last, 2)  # with no row frozen it leaves the gradients of the rule inside
    if kind.__name__ == "EventProp":
        hidden = SynapticLIF(tau_m=10.0, tau_syn=5.0, reset=ToValue())
        synapse = LeakyIntegrator(tau_m=5.0, decay_input=False)
        return Sequential({"linear": first, "lif": hidden, "last": last, "synapse": synapse, "out": LeakyIntegrator()})
    hidden = LIF(tau_m=3.0, v_th=0.3, decay_input=False, reset=Subtract())
    return Sequential({"linear": first, "lif": hidden, "last": last})


def batch(size=4):
    g = torch.Generator().manual_seed(0)
    return (torch.rand(8, size, 6, generator=g) < 0.4).float(), torch.arange(size) % 3


def gradients(kind, *batches, scale=1.0):
    net = build(kind)
    for x, y in batches:
        seen = kind().accumulate(net, x, y, LOSS, scale=scale)
    assert not seen.outputs.requires_grad
    assert not seen.loss.requires_grad
    return [p.grad.clone() for p in net.parameters()]


@every
def test_its_page_says_where_it_comes_from_and_when_it_is_exact(kind):
    page, module = inspect.getdoc(kind), inspect.getmodule(kind).__doc__
    assert len(page.splitlines()) >= 8
    assert "Source" in module


@every
def test_equal_rules_are_equal_and_round_trip_through_replace(kind):
    assert kind() == kind().replace()


@every
def test_it_leaves_gradients_in_every_layer_twice_the_same(kind):
    first, again = gradients(kind, batch()), gradients(kind, batch())
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
        assert a.abs().max() > 0
        assert torch.isfinite(a).all()


@every
def test_calls_add_up_and_the_scale_multiplies(kind):
    once = gradients(kind, batch())
    for a, b in zip(gradients(kind, batch(), batch(), scale=0.25), once, strict=True):
        torch.testing.assert_close(a, 0.5 * b, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", [k for k in RULES if k.__name__ not in NOT_ADDITIVE], ids=lambda k: k.__name__)
def test_parts_of_a_batch_weighted_by_their_sizes_are_the_whole_batch(kind):
    x, y = batch(size=5)
    net = build(kind)
    for part, share in ((slice(0, 2), 0.4), (slice(2, 5), 0.6)):
        kind().accumulate(net, x[:, part], y[part], LOSS, scale=share)
    for parameter, whole in zip(net.parameters(), gradients(kind, (x, y)), strict=True):
        torch.testing.assert_close(parameter.grad, whole, rtol=1e-4, atol=1e-7)


@every
def test_the_trainer_takes_a_step_with_it_in_either_precision(kind):
    found = []
    for precision in ("float32", "bfloat16"):
        net = build(kind)
        config = Train(optimiser=SGD(lr=0.01, momentum=0.0), schedule=Constant(), precision=precision)
        taker = Stepper.make(net, kind(), LOSS, config, num_steps=1, device=torch.device("cpu"))
        before = net[0].weight.detach().clone()
        figures = taker.take(0, [batch()])
        assert figures.seen == 4
        assert not torch.equal(before, net[0].weight)
        found.append(figures.loss)
    assert found[1] == pytest.approx(found[0], rel=0.05)


@every
def test_the_mode_and_state_of_the_network_stay_as_they_were(kind):
    net = build(kind).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    kind().accumulate(net, *batch(), LOSS)
    assert not net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
