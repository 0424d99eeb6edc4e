"""SLTT against autograd of a network written out step by step, whose membranes are detached."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.reset import Subtract
from ranvier.core.surrogate import spike
from ranvier.core.surrogates.triangle import Triangle
from ranvier.measure import saved_bytes
from ranvier.neurons import ALIF, LIF
from ranvier.nn import Dropout, Recurrent, Sequential, Spiking
from ranvier.rules import BPTT, SLTT
from ranvier.train import SGD, Constant, Train
from ranvier.train.losses import TET, RateCrossEntropy
from ranvier.train.step import Stepper

LOSS = TET(lam=0.05)


def lif(tau=1.1):
    """The paper's neuron: lam = 1 - 1 / tau, input in full, soft reset, triangle."""
    tau_m = max(tau, 1.0)
    return LIF(tau_m=tau_m, decay_input=False, discretisation="euler", reset=Subtract(), surrogate=Triangle())


def build(tau=1.1, *, norm=True, dropout=0.0, double=True):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = [nn.Conv2d(2, 4, 3, padding=1)]
        layers += [nn.BatchNorm2d(4)] if norm else []
        layers += [Spiking(lif(tau)), nn.AvgPool2d(2), Dropout(dropout), nn.Conv2d(4, 5, 3)]
        layers += [nn.BatchNorm2d(5)] if norm else []
        net = Sequential(*layers, Spiking(lif(tau)), nn.Flatten(), nn.Linear(20, 3))
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(2.0 if norm else 4.0)
                layer.bias.add_(0.2)
    return net.double() if double else net


def batch(num_steps=5, size=6, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    x = (torch.rand(num_steps, size, 2, 8, 8, generator=g) < 0.4).to(dtype)
    return x, torch.arange(size) % 3


def by_hand(net, x_TB, y, lam, steps=None):
    """The loss of the paper with v[t-1] detached, written out; every batch norm sees one step."""
    total, potentials = 0.0, {}
    for t, x in enumerate(x_TB):
        for place, layer in enumerate(net):
            if isinstance(layer, Spiking):
                u = lam * potentials.get(place, torch.zeros_like(x)) + x
                x = spike(u - 1.0, Triangle())
                potentials[place] = (u - x).detach()
            else:
                x = layer(x)
        step = 0.95 * cross_entropy(x, y) + 0.05 * mse_loss(x, torch.ones_like(x))
        total = total + (step if steps is None or t in steps else step.detach()) / len(x_TB)
    return total


def autograd(net, value):
    return dict(zip(dict(net.named_parameters()), torch.autograd.grad(value, list(net.parameters())), strict=True))


@pytest.mark.parametrize("norm", [True, False])
def test_the_gradient_is_that_of_autograd_with_detached_membranes(norm, gradients_of):
    net, (x, y) = build(norm=norm), batch()
    expected = autograd(net, by_hand(net, x, y, lam=1 - 1 / 1.1))
    seen = SLTT().accumulate(net, x, y, LOSS)
    torch.testing.assert_close(seen.loss, by_hand(net, x, y, lam=1 - 1 / 1.1).detach(), rtol=1e-9, atol=0)
    for name, gradient in gradients_of(SLTT(), net, x, y, LOSS).items():
        assert expected[name].abs().max() > 1e-4 or (norm and name.endswith("bias")), name
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-10)


def test_it_is_bptt_with_a_horizon_of_one_step(gradients_of):
    net, (x, y) = build(), batch()
    cut = gradients_of(BPTT(horizon=1), net, x, y, LOSS)
    for name, gradient in gradients_of(SLTT(), net, x, y, LOSS).items():
        torch.testing.assert_close(gradient, cut[name], rtol=1e-9, atol=1e-12)


def test_it_is_bptt_for_neurons_that_forget_all_and_not_for_others(gradients_of):
    x, y = batch()
    for tau, same in ((1.0, True), (2.0, False)):
        net = build(tau, norm=False)
        whole, ours = gradients_of(BPTT(), net, x, y, LOSS), gradients_of(SLTT(), net, x, y, LOSS)
        differences = [float((ours[n] - whole[n]).abs().max() / whole[n].abs().max()) for n in ("0.weight", "4.weight")]
        assert (max(differences) < 1e-9) is same


def test_gradients_point_the_less_where_those_of_bptt_do_the_slower_neurons_forget(gradients_of):
    (x, y), found = batch(num_steps=8), []
    for tau in (1.1, 2.0, 10.0):
        net = build(tau, norm=False)
        ours, whole = (gradients_of(rule, net, x, y, LOSS)["0.weight"].flatten() for rule in (SLTT(), BPTT()))
        found.append(float(torch.cosine_similarity(ours, whole, dim=0)))
    assert found[0] > 0.95
    assert found[0] > found[1] > found[2]


def test_recurrent_and_adaptive_neurons_learn_too(gradients_of):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        net = Sequential(nn.Linear(6, 8), Recurrent(ALIF(tau_m=5.0, v_th=0.2), 8), nn.Linear(8, 3)).double()
    x = torch.rand(7, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    y = torch.arange(4) % 3
    cut = gradients_of(BPTT(horizon=1), net, x, y, LOSS)
    assert cut["1.weight"].abs().max() > 0
    for name, gradient in gradients_of(SLTT(), net, x, y, LOSS).items():
        torch.testing.assert_close(gradient, cut[name], rtol=1e-9, atol=1e-12)


def test_memory_stays_the_same_whatever_the_number_of_steps_while_that_of_bptt_grows():
    net = build(double=False)
    peaks = {}
    for rule in (SLTT(), BPTT()):
        for num_steps in (2, 8, 32):
            x, y = batch(num_steps, dtype=torch.float32)
            with saved_bytes(but=[*net.parameters(), x]) as saved:
                rule.accumulate(net, x, y, LOSS)
            peaks[type(rule), num_steps] = saved.peak
    assert peaks[SLTT, 2] == peaks[SLTT, 8] == peaks[SLTT, 32] > 0
    assert peaks[BPTT, 8] >= 3.5 * peaks[BPTT, 2]
    assert peaks[BPTT, 32] >= 3.5 * peaks[BPTT, 8]


@pytest.mark.parametrize("rescale", [False, True])
def test_of_k_steps_the_gradient_is_the_part_of_those_steps(rescale, gradients_of):
    net, (x, y) = build(), batch(num_steps=6)
    drawn = set()
    for seed in range(6):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            places = torch.randperm(6)
            chosen = {t for t in range(6) if places[t] < 2}
            torch.manual_seed(seed)
            ours = gradients_of(SLTT(num_backward=2, rescale=rescale), net, x, y, LOSS)
        drawn |= chosen
        assert len(chosen) == 2
        expected = autograd(net, by_hand(net, x, y, 1 - 1 / 1.1, chosen) * (3.0 if rescale else 1.0))
        for name, gradient in ours.items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-10)
    assert drawn == set(range(6))


def test_of_k_steps_the_loss_and_the_running_statistics_are_those_of_all_steps():
    x, y = batch(num_steps=6)
    all_, some = build(), build()
    a, b = SLTT().accumulate(all_, x, y, LOSS), SLTT(num_backward=1).accumulate(some, x, y, LOSS)
    assert torch.equal(a.outputs, b.outputs)
    assert torch.equal(a.loss, b.loss)
    assert torch.equal(all_[1].running_mean, some[1].running_mean)
    assert all_[1].num_batches_tracked == some[1].num_batches_tracked == 6


@pytest.mark.parametrize("num_steps", [4, 16])
def test_of_k_steps_the_way_back_is_taken_k_times_whatever_the_number_of_steps(num_steps):
    net, calls = build(), []
    net[-1].register_full_backward_hook(lambda *_: calls.append(1))
    SLTT(num_backward=2).accumulate(net, *batch(num_steps), LOSS)
    assert len(calls) == 2


def test_the_steps_that_are_drawn_depend_on_the_seed_and_number_of_a_training_step_alone():
    def weights_after(step, draws):
        net, config = build(double=False), Train(optimiser=SGD(lr=0.5, momentum=0.0), schedule=Constant())
        stepper = Stepper.make(
            net, SLTT(num_backward=1), LOSS, config, num_steps=9, device=torch.device("cpu"), seed=3
        )  # fmt: skip
        torch.rand(draws)
        stepper.take(step, [batch(dtype=torch.float32)])
        return net[0].weight.detach()

    assert torch.equal(weights_after(4, 0), weights_after(4, 100))
    assert any(not torch.equal(weights_after(4, 0), weights_after(step, 0)) for step in range(4))


def test_weights_learn_in_sixteen_bits_though_steps_without_gradient_came_before():
    net = build(double=False)
    x, y = batch(num_steps=8, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        SLTT(num_backward=1).accumulate(net, x, y, LOSS)
    assert net[-1].weight.grad.abs().max() > 0
    assert net[0].weight.grad.abs().max() > 0


def test_dropout_keeps_its_mask_from_step_to_step():
    net, (x, y) = build(dropout=0.5, norm=False), batch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = net(x)
        torch.manual_seed(0)
        assert torch.equal(SLTT().accumulate(net, x, y, LOSS).outputs, whole.detach())


def test_a_loss_of_the_mean_output_is_taken_of_every_step_and_is_then_no_smaller():
    net, (x, y) = build(), batch()
    seen = SLTT().accumulate(net, x, y, RateCrossEntropy())
    of_steps = torch.stack([cross_entropy(o, y) for o in seen.outputs]).mean()
    torch.testing.assert_close(seen.loss, of_steps)
    assert seen.loss > cross_entropy(seen.outputs.mean(0), y)


def test_scale_multiplies_and_calls_add_up(gradients_of):
    net, (x, y) = build(norm=False), batch()
    once = gradients_of(SLTT(), net, x, y, LOSS)
    SLTT().accumulate(net, x, y, LOSS, scale=0.5)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter.grad, 1.5 * once[name], rtol=1e-12, atol=1e-14)


def test_what_makes_no_sense_is_refused():
    net, (x, y) = build(), batch()
    with pytest.raises(ConfigError, match=r"^SLTT\.num_backward: expected at least 1 step, or None, got 0\."):
        SLTT(num_backward=0)
    with pytest.raises(ConfigError, match=r"expected at most as many as the input has steps, got 6 of 5\."):
        SLTT(num_backward=6).accumulate(net, x, y, LOSS)
    with pytest.raises(ShapeError, match=r"^SLTT: expected a loss that is a scalar, got shape \(6,\)"):
        SLTT().accumulate(net, x, y, lambda o, t: o.mean((0, 2)))
    with pytest.raises(ConfigError, match="^SLTT: expected a loss that depends on a parameter of the network"):
        SLTT().accumulate(net.requires_grad_(False), x, y, LOSS)
