"""HLOP against gradients projected by hand. Letters: T time, B batch, N features in, M features out."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import unfold

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.reset import Subtract
from ranvier.core.rule import Evaluation, Rule
from ranvier.data.loader import Encoded, Loader, same
from ranvier.neurons import LIF
from ranvier.nn import Sequential, Spiking, guard, guarded
from ranvier.rules import BPTT, HLOP, OTTT, SLTT
from ranvier.runs import Run
from ranvier.train import SGD, Constant, Saving, Train, Trainer
from ranvier.train.losses import TET, RateCrossEntropy

NEURON = LIF(tau_m=2.0, decay_input=False, discretisation="euler", reset=Subtract())
RULES = [BPTT(), SLTT(), OTTT()]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def mlp(*, norm=False, bias=True, double=True):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [guard(nn.Linear(12, 9, bias=bias), 8)]
        layers += [nn.BatchNorm1d(9)] if norm else []
        net = Sequential(
            *layers, Spiking(NEURON), guard(nn.Linear(9, 7, bias=bias), 6), Spiking(NEURON), nn.Linear(7, 3)
        )
    with torch.no_grad():
        for layer in guarded(net).values():
            layer.weight.mul_(4)
    return net.double() if double else net


def convolutions():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv1, conv2 = nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.Conv2d(3, 4, 3, stride=2, bias=False)
    with torch.no_grad():
        conv1.weight.mul_(4), conv2.weight.mul_(4)
    head = nn.Linear(16, 3)
    net = Sequential(guard(conv1, 6), Spiking(NEURON), guard(conv2, 20), Spiking(NEURON), nn.Flatten(), head)
    return net.double()


def batch(*size, num_steps=4, num=6, dtype=torch.float64, seed=0):
    x = (torch.rand(num_steps, num, *size, generator=generator(seed)) < 0.5).to(dtype)
    return x, torch.arange(num) % 3


def start_task(net, rows, seed=0):
    for layer in guarded(net).values():
        layer.subspace.freeze()
        layer.subspace.grow(rows, generator(seed))


def with_frozen_rows(net, rows=4):
    start_task(net, rows)
    start_task(net, 0)
    return net


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("make", [mlp, convolutions])
def test_weights_learn_from_presynaptic_activity_without_its_part_in_the_subspace(rule, make, gradients_of):
    net = with_frozen_rows(make())
    x, y = batch(*((12,) if make is mlp else (1, 6, 6)))
    plain, found = gradients_of(rule, net, x, y, TET()), gradients_of(HLOP(rule=rule), net, x, y, TET())
    for path, layer in guarded(net).items():
        h = layer.subspace.lateral.numpy()[:4]
        dw = plain[f"{path}.weight"].flatten(1).numpy()
        expected = dw - dw @ h.T @ h
        assert np.abs(expected - dw).max() > 1e-4
        np.testing.assert_allclose(found[f"{path}.weight"].flatten(1).numpy(), expected, rtol=1e-9, atol=1e-12)
    head = "4.weight" if make is mlp else "5.weight"
    torch.testing.assert_close(found[head], plain[head])  # without a subspace


def test_that_is_the_gradient_of_a_layer_that_hears_the_rest_of_its_unfolded_patches():
    net = with_frozen_rows(convolutions())
    x, y = batch(1, 6, 6, num_steps=1)
    HLOP().accumulate(net, x, y, TET())
    h = net[0].subspace.lateral[:4]
    patches = unfold(x[0], 3, padding=1).transpose(1, 2)
    patches = patches - patches @ h.T @ h
    weight = net[0].weight.detach().clone().requires_grad_()
    shown = (patches @ weight.flatten(1).T).transpose(1, 2).unflatten(2, (6, 6))
    currents = nn.functional.conv2d(x[0], net[0].weight.detach(), padding=1)
    rest = net[1:]
    outputs = rest((currents + shown - shown.detach()).unsqueeze(0))
    TET()(outputs, y).backward()
    assert weight.grad.abs().max() > 1e-4
    torch.testing.assert_close(net[0].weight.grad, weight.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_step_leaves_the_answers_to_inputs_in_the_subspace_as_they_were(rule):
    net = mlp(bias=False)
    old = [torch.randn(4, layer.in_features, generator=generator(3)).double() for layer in guarded(net).values()]
    for layer, x_old in zip(guarded(net).values(), old, strict=True):
        layer.subspace.grow(4, generator())
        layer.subspace.lateral[:4] = torch.linalg.qr(x_old.T)[0].T
        layer.subspace.freeze()
    before = [layer.weight.detach().clone() for layer in guarded(net).values()]
    x, y = batch(12)
    optimiser = torch.optim.SGD([layer.weight for layer in guarded(net).values()], lr=0.1, momentum=0.9)
    for _ in range(3):
        optimiser.zero_grad()
        HLOP(rule=rule).accumulate(net, x, y, TET())
        optimiser.step()
    for layer, x_old, weight in zip(guarded(net).values(), old, before, strict=True):
        torch.testing.assert_close(x_old @ layer.weight.T, x_old @ weight.T, rtol=0, atol=1e-6)
        assert (x_old @ weight.T).abs().max() > 1
        assert (layer.weight - weight).abs().max() > 1e-3


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_in_the_first_task_gradients_are_those_of_the_rule_inside(rule, gradients_of):
    net, (x, y) = mlp(), batch(12)
    start_task(net, 4)
    plain, found = gradients_of(rule, net, x, y, TET()), gradients_of(HLOP(rule=rule), net, x, y, TET())
    assert len(found) == len(plain) == 6
    for name, gradient in plain.items():
        assert torch.equal(found[name], gradient), name


@pytest.mark.parametrize("activity", ["rate", "steps"])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_subspaces_learn_rates_or_steps_of_what_their_layers_hear(rule, activity):
    net, (x, y) = mlp(), batch(12)
    start_task(net, 4)
    twin = mlp()
    start_task(twin, 4)
    HLOP(rule=rule, activity=activity).accumulate(net, x, y, TET())
    with torch.no_grad():
        heard = {"0": x, "2": net[1](net[0](x))}
    assert 0 < heard["2"].mean() < 1
    for path, x_TBN in heard.items():
        rows = x_TBN.mean(0) if activity == "rate" else x_TBN.flatten(0, 1)
        guarded(twin)[path].subspace.learn(rows)
        found, expected = guarded(net)[path].subspace.lateral, guarded(twin)[path].subspace.lateral
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_after_the_first_task_vectors_and_statistics_of_norms_stay(gradients_of):
    net, (x, y) = mlp(norm=True), batch(12)
    start_task(net, 4)
    assert {"0.bias", "1.weight", "1.bias"} <= set(gradients_of(HLOP(), net, x, y, TET()))
    start_task(net, 2)
    before = {name: value.clone() for name, value in net.named_buffers() if "running" in name}
    found = gradients_of(HLOP(), net, x, y, TET())
    assert set(found) == {"0.weight", "3.weight", "5.weight"}
    assert net[1].training
    for name, value in before.items():
        assert torch.equal(dict(net.named_buffers())[name], value), name
    BPTT().accumulate(net, x, y, TET())
    assert not torch.equal(net[1].running_mean, before["1.running_mean"])


def test_what_lies_in_grad_already_is_added_to_and_not_projected(gradients_of):
    net, (x, y) = with_frozen_rows(mlp()), batch(12)
    alone = gradients_of(HLOP(), net, x, y, TET())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    HLOP().accumulate(net, x, y, TET(), scale=0.5)
    for name, parameter in net.named_parameters():
        expected = 1 + 0.5 * alone[name] if name in alone else torch.ones_like(parameter)
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-9, atol=1e-12)


def test_each_update_of_a_rule_that_pauses_is_projected():
    net, (x, y) = with_frozen_rows(mlp()), batch(12)
    pauses = []
    for seen in HLOP(rule=OTTT(update="step")).updates(net, x, y, TET()):
        pauses.append(seen)
        weight = net[0].weight
        old = net[0].subspace.lateral[:4]
        torch.testing.assert_close(weight.grad @ old.T, torch.zeros(9, 4).double(), rtol=0, atol=1e-12)
        assert weight.grad.abs().max() > 1e-6
        net.zero_grad()
    assert pauses[:3] == [None] * 3
    assert pauses[3].outputs.shape == (4, 6, 3)


class WritesGradients(Rule):
    """A rule that leaves gradients without autograd."""

    def accumulate(self, net, inputs, targets, loss, *, scale=1.0):
        outputs = net(inputs)
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter) * scale
        return Evaluation(loss(outputs, targets).detach(), outputs.detach())


def test_gradients_that_no_autograd_made_are_projected_too(gradients_of):
    net, (x, y) = with_frozen_rows(mlp()), batch(12)
    weight = gradients_of(HLOP(rule=WritesGradients()), net, x, y, TET())["0.weight"]
    torch.testing.assert_close(weight @ net[0].subspace.lateral[:4].T, torch.zeros(9, 4).double(), rtol=0, atol=1e-12)


def trainer(net):
    x, y = batch(12, num=24, dtype=torch.float32)
    samples = Encoded(list(x.unbind(1)), y.tolist())
    train = Train(epochs=2, optimiser=SGD(lr=0.1), schedule=Constant(), saving=Saving(steps=1))
    loader = Loader(samples=samples, encode=same, batch_size=6)
    return Trainer(net=net, rule=HLOP(), loss=RateCrossEntropy(), train=loader, config=train)


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    nets = [mlp(double=False) for _ in range(3)]
    for net in nets:
        start_task(net, 3)
        start_task(net, 3, seed=1)
    trainer(nets[0]).fit()
    run = Run.create(tmp_path / "run", name="hlop", config={})

    def stop(fraction, words, /, **figures):
        if fraction > 0.4:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError):
        trainer(nets[1]).fit(run, watch=stop)
    trainer(nets[2]).fit(run)
    assert nets[0][0].subspace.velocity.any()
    for name, value in nets[0].state_dict().items():
        assert torch.equal(nets[2].state_dict()[name], value), name
    assert not torch.equal(nets[1].state_dict()["0.subspace.lateral"], nets[2].state_dict()["0.subspace.lateral"])


def test_batches_that_make_one_step_do_not_hear_each_other():
    """Two batches under way at once, as a trainer that accumulates has them."""
    (x, y), (x2, y2) = batch(12), batch(12, seed=1)
    nets = [with_frozen_rows(mlp()) for _ in range(2)]
    for net in nets:
        start_task(net, 2, seed=1)
    both = [HLOP().updates(nets[0], *pair, TET()) for pair in ((x, y), (x2, y2))]
    for one in both:
        next(one)
    for pair in ((x, y), (x2, y2)):
        HLOP().accumulate(nets[1], *pair, TET())
    torch.testing.assert_close(nets[0][0].weight.grad, nets[1][0].weight.grad)
    assert torch.equal(nets[0][0].subspace.lateral, nets[1][0].subspace.lateral)


def test_it_says_what_it_cannot_do():
    x, y = batch(12)
    with pytest.raises(ConfigError) as caught:
        HLOP().accumulate(Sequential(nn.Linear(12, 3)).double(), x, y, TET())
    assert "HLOP: expected a network with layers that have a subspace, got none." in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        HLOP(activity="spikes")
    assert 'HLOP.activity: expected "rate" or "steps", got \'spikes\'.' in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        HLOP(rule=HLOP())
    assert "HLOP.rule: expected another rule than HLOP" in str(caught.value)

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = guard(nn.Linear(12, 3).double(), 2)

        def forward(self, x_TB):
            return self.layer(x_TB[:, :4].flatten(0, 1)).unflatten(0, (4, 4)).repeat(1, 2, 1)[:, :6]

    with pytest.raises(ShapeError) as caught:
        HLOP().accumulate(Odd(), x, y, TET())
    assert 'HLOP, layer "layer": expected calls with a multiple of B = 6, got (16, 12).' in str(caught.value)
