import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError, NonFiniteError, ShapeError
from ranvier.core.rule import Evaluation, Rule
from ranvier.neurons import LIF
from ranvier.nn import Sequential, compact
from ranvier.rules import BPTT
from ranvier.train import SGD, Constant, Train
from ranvier.train.losses import RateCrossEntropy
from ranvier.train.step import Stepper, check, seeded

CPU = torch.device("cpu")


def stepper(net, *, seed=0, **changes):
    config = Train(**{"optimiser": SGD(lr=0.5, momentum=0.0), "schedule": Constant(), **changes})
    return Stepper.make(net, BPTT(), RateCrossEntropy(), config, num_steps=10, device=CPU, seed=seed)


def weights(net):
    return [p.detach().clone() for p in net.parameters()]


def by_hand(net, inputs, targets, lr=0.5, clip=None):
    """One step of gradient descent with torch alone."""
    net.zero_grad()
    nn.functional.cross_entropy(net(inputs).mean(0), targets).backward()
    norm = torch.stack([p.grad.square().sum() for p in net.parameters()]).sum().sqrt()
    factor = 1.0 if clip is None else min(1.0, clip / float(norm))
    return [p.detach() - lr * factor * p.grad for p in net.parameters()], norm


@pytest.mark.parametrize("clip", [None, 1e-3, 1e3])
def test_a_step_is_gradient_descent_written_out(make, clip):
    net = make.net(dropout=0.0, norm=False)
    batch = next(make.blobs().batches(0))
    expected, norm = by_hand(net, *batch, clip=clip)
    figures = stepper(net, clip=clip).take(0, [batch])
    for got, wanted in zip(weights(net), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-8)
    assert figures.grad_norm == pytest.approx(float(norm), rel=1e-5)
    assert figures.lr == 0.5
    assert figures.seen == 8
    assert 0 <= figures.right <= 8


def test_accumulated_batches_are_one_large_batch_even_of_different_sizes(make):
    batches = [next(make.blobs(size=size, seed=size).batches(0)) for size in (3, 8)]
    joint = (torch.cat([x for x, _ in batches], 1), torch.cat([y for _, y in batches]))
    one, two = make.net(dropout=0.0, norm=False), make.net(dropout=0.0, norm=False)
    a, b = stepper(one).take(0, [joint]), stepper(two).take(0, batches)
    assert a.loss == pytest.approx(b.loss, rel=1e-6)
    assert (a.right, a.seen) == (b.right, b.seen)
    for x, y in zip(weights(one), weights(two), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-7)


def test_dropout_depends_on_the_seed_and_the_number_of_the_step_alone(make):
    batch = next(make.blobs().batches(0))

    def after(step, seed=0, draws=0):
        torch.rand(draws)
        net = make.net(dropout=0.5)
        stepper(net, seed=seed).take(step, [batch])
        return weights(net)[0]

    assert torch.equal(after(3), after(3, draws=17))
    assert not torch.equal(after(3), after(4))
    assert not torch.equal(after(3), after(3, seed=1))


def test_the_global_generator_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1, CPU):
        torch.rand(100)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_the_step_and_moves_no_weight(make, value):
    net = make.net(norm=False)
    before = weights(net)
    wrong = Stepper.make(net, BPTT(), lambda o, t: o.sum() * value, Train(), num_steps=10, device=CPU)
    with pytest.raises(
        NonFiniteError, match=r"^training step 8: expected a finite loss and gradient, got loss (nan|-?inf)"
    ):
        wrong.take(7, [next(make.blobs().batches(0))])
    for a, b in zip(weights(net), before, strict=True):
        assert torch.equal(a, b)


def test_a_gradient_that_is_not_finite_is_seen_too(make):
    net = nn.Linear(2, 2)
    wrong = Stepper.make(
        net, BPTT(), lambda o, t: o.sub(o.detach()).abs().sqrt().sum(), Train(), num_steps=10, device=CPU
    )
    with pytest.raises(NonFiniteError, match=r"got loss 0, norm of the gradient nan"):
        wrong.take(0, [(torch.ones(1, 1, 2), torch.zeros(1, dtype=torch.long))])


def test_a_parameter_that_the_loss_does_not_reach_has_gradient_zero():
    net = nn.Linear(2, 2)
    net.idle = nn.Parameter(torch.ones(3))
    stepper(net).take(0, [(torch.ones(1, 1, 2), torch.zeros(1, dtype=torch.long))])
    assert torch.equal(net.idle, torch.ones(3))
    assert torch.equal(net.idle.grad, torch.zeros(3))


def test_frozen_parameters_stay(make):
    net = make.net()
    net[0].requires_grad_(False)
    before = net[0].weight.clone()
    stepper(net).take(0, [next(make.blobs().batches(0))])
    assert torch.equal(net[0].weight, before)
    with pytest.raises(ConfigError, match=r"^Trainer\.net: expected at least one parameter that requires a gradient"):
        stepper(net.requires_grad_(False))


def test_in_16_bits_the_weights_stay_32_and_the_step_nearly_the_same(make):
    batch = next(make.blobs().batches(0))
    one, two = make.net(dropout=0.0, norm=False), make.net(dropout=0.0, norm=False)
    exact, rough = stepper(one).take(0, [batch]), stepper(two, precision="bfloat16").take(0, [batch])
    assert exact.loss != rough.loss
    assert abs(exact.loss - rough.loss) < 0.05 * exact.loss
    assert all(p.dtype == torch.float32 for p in two.parameters())


def test_compact_spikes_take_less_memory_to_the_same_weights(monkeypatch):
    images, targets = torch.rand(10, 8, 20, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    results, kept = [], []
    monkeypatch.setattr(compact, "pack", lambda x, form, pack=compact.pack: kept.append(pack(x, form)) or kept[-1])
    for less in (False, True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            net = Sequential(nn.Linear(20, 64), LIF(tau_m=2.0, v_th=0.2), nn.Linear(64, 3))
        stepper(net, compact_spikes=less).take(0, [(images, targets)])
        results.append(weights(net))
        assert bool(kept) == less
    assert any(x is not None for x in kept)
    assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))


def test_targets_that_are_no_classes_have_no_right_decisions():
    net = nn.Linear(2, 2)
    regress = Stepper.make(net, BPTT(), lambda o, t: (o.mean(0) - t).square().mean(), Train(), num_steps=10, device=CPU)
    assert regress.take(0, [(torch.ones(1, 3, 2), torch.zeros(3, 2))]).right is None


@pytest.mark.parametrize(
    ("inputs", "targets"), [((0, 4, 2), (4,)), ((4,), (4,)), ((3, 4, 2), ())], ids=["no time", "one axis", "a scalar"]
)
def test_a_batch_without_its_axes_is_refused(inputs, targets):
    with pytest.raises(
        ShapeError, match=r"^training batch: expected inputs \(T, B, \.\.\.\) with at least one time step"
    ):
        check(torch.zeros(inputs), torch.zeros(targets))


@pytest.mark.parametrize(("inputs", "targets"), [((5, 4, 2), (5,)), ((5, 0, 2), (0,))])
def test_a_batch_with_batch_first_or_nothing_in_it_is_refused(inputs, targets):
    with pytest.raises(ShapeError, match=r"^training batch: expected as many targets as samples, .* Time comes first"):
        check(torch.zeros(inputs), torch.zeros(targets))


class EveryStep(Rule):
    """Pauses after every time step: the gradient of the squared output of that step."""

    def updates(self, net, inputs, targets, loss, *, scale=1.0):
        outputs, values = [], []
        for x in inputs:
            output = net(x[None])
            value = output.square().mean()
            (scale * value).backward()
            outputs.append(output.detach())
            values.append(value.detach())
            if len(outputs) < len(inputs):
                yield None
        yield Evaluation(torch.stack(values).mean(), torch.cat(outputs))

    def accumulate(self, net, inputs, targets, loss, *, scale=1.0):
        *_, seen = self.updates(net, inputs, targets, loss, scale=scale)
        return seen


class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 3)

    def forward(self, x_TB):
        return self.linear(x_TB)


def test_a_rule_that_pauses_moves_the_weights_at_every_pause(make):
    inputs, targets = next(make.blobs().batches(0))
    torch.manual_seed(0)
    net, by_hand = Affine(), Affine()
    by_hand.load_state_dict(net.state_dict())
    optimiser = torch.optim.SGD(by_hand.parameters(), lr=0.1, momentum=0.9)
    for x in inputs:
        optimiser.zero_grad()
        by_hand(x[None]).square().mean().backward()
        optimiser.step()
    config = Train(optimiser=SGD(lr=0.1, momentum=0.9), schedule=Constant())
    taker = Stepper.make(net, EveryStep(), RateCrossEntropy(), config, num_steps=1, device=CPU)
    figures = taker.take(0, [(inputs, targets)])
    for got, wanted in zip(weights(net), weights(by_hand), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-7)
    assert figures.seen == 8


def test_accumulated_batches_pause_together(make):
    batches = [next(make.blobs(size=size, seed=size).batches(0)) for size in (3, 8)]
    joint = (torch.cat([x for x, _ in batches], 1), torch.cat([y for _, y in batches]))
    found = []
    for given in ([joint], batches):
        torch.manual_seed(0)
        net = Affine()
        config = Train(optimiser=SGD(lr=0.1), schedule=Constant(), precision="bfloat16")
        Stepper.make(net, EveryStep(), RateCrossEntropy(), config, num_steps=1, device=CPU).take(0, given)
        found.append(weights(net))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


def test_a_pause_on_a_gradient_that_is_not_finite_moves_nothing(make):
    inputs, targets = next(make.blobs().batches(0))
    inputs[0] = float("inf")
    net = Affine()
    before = weights(net)
    config = Train(optimiser=SGD(lr=0.1), schedule=Constant())
    taker = Stepper.make(net, EveryStep(), RateCrossEntropy(), config, num_steps=1, device=CPU)
    with pytest.raises(NonFiniteError, match="norm of the gradient nan"):
        taker.take(0, [(inputs, targets)])
    for a, b in zip(before, weights(net), strict=True):
        assert torch.equal(a, b)
