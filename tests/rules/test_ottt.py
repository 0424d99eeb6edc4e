"""OTTT against its formula written out, and against BPTT where the two are the same."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.core.surrogate import spike
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.measure import saved_bytes
from ranvier.neurons import ALIF, LIF, QIF, LeakyIntegrator
from ranvier.nn import Recurrent, Scale, Sequential, Spiking, TimeAware, WSConv2d
from ranvier.rules import BPTT, OTTT
from ranvier.train import SGD, Constant, Train
from ranvier.train.losses import TET
from ranvier.train.step import Stepper

LOSS = TET(lam=0.05)
LEAK = 0.5
NEURON = LIF(tau_m=2.0, decay_input=False, discretisation="euler", surrogate=Sigmoid(), reset=Subtract(detach=True))


def mlp(sizes=(6, 8, 7, 3)):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = []
        for before, after in pairwise(sizes[:-1]):
            layers += [nn.Linear(before, after), Spiking(NEURON)]
        return Sequential(*layers, nn.Linear(*sizes[-2:])).double()


def batch(num_steps=6, size=5, features=6, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    return 2 * torch.rand(num_steps, size, features, generator=g).to(dtype), torch.arange(size) % 3


def by_hand(net, x_TBN, y):
    """u[t] as a number; its gradient in W is delta[t] (sum of leak^(t-s) x[s])^T, that in x[t] is W^T delta[t].

    The first layer learns from the input of the step. A sum over all past steps, so no trace in sight.
    """
    affine = [layer for layer in net if isinstance(layer, nn.Linear)]
    past = [[] for _ in affine]
    potentials = [0.0] * len(affine)
    total = 0.0
    for x in x_TBN:
        for place, layer in enumerate(affine[:-1]):
            past[place].append(x.detach())
            now = layer(x)
            earlier = [LEAK ** (len(past[place]) - 1 - s) * layer(old) for s, old in enumerate(past[place][:-1])]
            remembered = sum(earlier) if earlier and place else 0.0
            u = LEAK * potentials[place] + now.detach()
            u = u + (now - now.detach()) + ((remembered - remembered.detach()) if earlier and place else 0.0)
            x = spike(u - 1.0, Sigmoid())
            potentials[place] = (u - x).detach()
        out = affine[-1](x)
        total = total + (0.95 * cross_entropy(out, y) + 0.05 * mse_loss(out, torch.ones_like(out))) / len(x_TBN)
    return total


def test_the_gradient_of_a_deep_network_is_the_formula_written_out(gradients_of):
    net, (x, y) = mlp(), batch()
    value = by_hand(net, x, y)
    expected = dict(zip(dict(net.named_parameters()), torch.autograd.grad(value, list(net.parameters())), strict=True))
    seen = OTTT().accumulate(net, x, y, LOSS)
    assert 0 < net[:4](x).detach().mean() < 1
    torch.testing.assert_close(seen.loss, value.detach())
    for name, gradient in gradients_of(OTTT(), net, x, y, LOSS).items():
        assert gradient.abs().max() > 1e-5, name
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("leaky", [False, True])
def test_for_one_layer_of_neurons_it_is_bptt_without_the_path_through_the_reset(leaky, gradients_of):
    net, (x, y) = mlp((6, 8, 3)), batch()
    if leaky:  # the read-out's own leak: one more layer of membranes, which the spikes reach through the step alone
        net = Sequential(nn.Linear(6, 3), Spiking(LeakyIntegrator(tau_m=3.0))).double()
    whole = gradients_of(BPTT(), net, x, y, LOSS)
    for name, gradient in gradients_of(OTTT(trace_input=True), net, x, y, LOSS).items():
        torch.testing.assert_close(gradient, whole[name], rtol=1e-9, atol=1e-12)
    plain = gradients_of(OTTT(), net, x, y, LOSS)["0.weight"]
    assert not torch.allclose(plain, whole["0.weight"], rtol=1e-3)


def conv_net(conv):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = Sequential(
            conv(2, 4, 3), Spiking(NEURON), Scale(2.74), nn.AvgPool2d(2), conv(4, 5, 3), Spiking(NEURON), nn.Flatten(),
            nn.Linear(5, 3),
        )  # fmt: skip
    with torch.no_grad():
        for layer in (net[0], net[4]):
            layer.weight.mul_(3.0)
            layer.bias.add_(0.3)
    return net.double()


@pytest.mark.parametrize("conv", [nn.Conv2d, WSConv2d])
def test_a_convolution_learns_as_the_linear_layer_that_it_is(conv, gradients_of):
    """Autograd with the errors of each step and, in place of the input, its trace computed beforehand."""
    net = conv_net(conv)
    g = torch.Generator().manual_seed(0)
    x, y = 2 * torch.rand(5, 4, 2, 8, 8, generator=g, dtype=torch.float64), torch.arange(4) % 3
    ours = gradients_of(OTTT(), net, x, y, LOSS)
    spikes = net[:2](x).detach()
    heard = net[2:4](spikes)  # what the second convolution hears
    trace, traces = torch.zeros_like(heard[0]), []
    for h in heard:
        trace = LEAK * trace + h
        traces.append(trace)
    second, ones = net[4], [sum(LEAK**k for k in range(t + 1)) for t in range(5)]
    potential, total = torch.zeros(4, 5, 1, 1, dtype=torch.float64), torch.zeros(())
    errors = []
    for t in range(5):
        u = (LEAK * potential + second(heard[t])).detach().requires_grad_()
        s = spike(u - 1.0, Sigmoid())
        potential = (u - s).detach()
        out = net[7](s.flatten(1))
        step = (0.95 * cross_entropy(out, y) + 0.05 * mse_loss(out, torch.ones_like(out))) / 5
        errors.append(torch.autograd.grad(step, u)[0])
        total = total + step.detach()
    surrogate = sum((second(a) * e).sum() for a, e in zip(traces, errors, strict=True))
    weight, gain = torch.autograd.grad(surrogate, [second.weight, getattr(second, "gain", second.weight)])
    assert 0 < spikes.mean() < 1
    assert ours["4.weight"].abs().max() > 1e-4
    torch.testing.assert_close(ours["4.weight"], weight, rtol=1e-9, atol=1e-12)
    bias = sum(c * e.sum((0, 2, 3)) for c, e in zip(ones, errors, strict=True))
    torch.testing.assert_close(ours["4.bias"], bias, rtol=1e-9, atol=1e-12)
    if conv is WSConv2d:
        torch.testing.assert_close(ours["4.gain"], gain, rtol=1e-9, atol=1e-12)


def test_outputs_are_those_of_the_network_to_the_last_bit():
    net, (x, y) = conv_net(WSConv2d).float(), (torch.rand(6, 4, 2, 8, 8) * 2, torch.arange(4) % 3)
    assert torch.equal(OTTT().accumulate(net, x, y, LOSS).outputs, net(x).detach())


def test_memory_stays_the_same_whatever_the_number_of_steps():
    net, peaks = mlp(), []
    for num_steps in (2, 8, 32):
        x, y = batch(num_steps)
        with saved_bytes(but=[*net.parameters(), x]) as saved:
            OTTT().accumulate(net, x, y, LOSS)
        peaks.append(saved.peak)
    assert peaks[0] > 0
    assert max(peaks) <= 1.05 * min(peaks)


def test_with_updates_at_every_step_weights_move_within_the_batch():
    x, y = batch(dtype=torch.float32)
    config = Train(optimiser=SGD(lr=0.1, momentum=0.0), schedule=Constant())
    found = {}
    for update in ("batch", "step"):
        net = mlp().float()
        Stepper.make(net, OTTT(update=update), LOSS, config, num_steps=1, device=torch.device("cpu")).take(0, [(x, y)])
        found[update] = net[-1].weight.detach()
    by_hand, gone = mlp().float(), OTTT(update="step")
    optimiser = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    pauses = 0
    for seen in gone.updates(by_hand, x, y, LOSS):
        optimiser.step()
        optimiser.zero_grad()
        pauses += seen is None
    assert pauses == len(x) - 1
    torch.testing.assert_close(found["step"], by_hand[-1].weight.detach())
    assert not torch.allclose(found["step"], found["batch"], rtol=1e-4)


def test_a_network_is_left_without_hooks_even_after_an_error():
    net, (x, y) = mlp(), batch()
    with pytest.raises(RuntimeError, match="no"):
        OTTT().accumulate(net, x, y, lambda o, t: (_ for _ in ()).throw(RuntimeError("no")))
    OTTT().accumulate(net, x, y, LOSS)
    assert not any(m._forward_hooks for m in net.modules())


def linear_then(layer):
    return Sequential(nn.Linear(6, 4), layer, nn.Linear(4, 3)).double()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Recurrent(LIF(), 4), 'OTTT: expected layers without connections among their neurons, at "1", got a Recurrent one.'),
        (Spiking(ALIF()), "a constant leak, such as LIF, got Spiking(ALIF), state (v, a)."),
        (Spiking(QIF()), "a constant leak, such as LIF, got Spiking(QIF), where"),
        (Spiking(LIF(tau_m=torch.tensor([1.0, 2.0, 3.0, 4.0]))), "expected one leak for all neurons of a layer"),
    ],
)  # fmt: skip
def test_networks_that_it_is_not_defined_for_are_refused(layer, message):
    with pytest.raises(ConfigError) as caught:
        OTTT(trace_input=True).accumulate(linear_then(layer), *batch(), LOSS)
    assert message in str(caught.value)


class Twice(TimeAware):
    def __init__(self):
        super().__init__()
        self.linear, self.neurons = nn.Linear(6, 6), Spiking(NEURON)

    def forward(self, x_TB):
        return self.linear(self.neurons(self.linear(x_TB)))


def test_a_layer_that_is_called_twice_is_refused():
    with pytest.raises(ConfigError, match="expected each layer once a step, got Linear a second time"):
        OTTT(trace_input=True).accumulate(Twice().double(), *batch(), LOSS)
