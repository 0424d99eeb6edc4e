"""EventProp against finite differences of the loss, in float64, and against the network on a fine grid."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.reset import NoReset, ToValue
from ranvier.neurons import LIF, LeakyIntegrator, SynapticLIF
from ranvier.nn import Sequential, Spiking
from ranvier.rules import EventProp
from ranvier.train.losses import MembraneCrossEntropy, RateCrossEntropy

NEURON = SynapticLIF(tau_m=20.0, tau_syn=5.0, v_th=1.0, reset=ToValue())


def build(sizes=(6, 8, 5, 3), dt=1.0, neuron=NEURON):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = []
        for n, m in pairwise(sizes):
            linear = nn.Linear(n, m, bias=False)
            nn.init.normal_(linear.weight, 2.0, 3.0)
            layers += [linear, Spiking(neuron, dt=dt)]
    synapse, leaky = LeakyIntegrator(tau_m=5.0, decay_input=False), LeakyIntegrator(tau_m=20.0)
    return Sequential(*layers[:-1], Spiking(synapse, dt=dt), Spiking(leaky, dt=dt)).double()


def batch(num_steps=30, size=3, features=6):
    g = torch.Generator().manual_seed(0)
    return (torch.rand(num_steps, size, features, generator=g) < 0.06).double(), torch.arange(size) % 3


def difference(parameter, place, value, h=1e-6):
    entry = parameter.data.view(-1)
    keep = entry[place].item()
    entry[place] = keep + h
    above = value()
    entry[place] = keep - h
    below = value()
    entry[place] = keep
    return (above - below) / (2 * h)


@pytest.mark.parametrize("loss", [RateCrossEntropy(), MembraneCrossEntropy(at="max")], ids=["rate", "max"])
@pytest.mark.parametrize(
    "neuron", [NEURON, SynapticLIF(tau_m=10.0, tau_syn=10.0, v_rest=-0.1, v_th=1.0)], ids=["hard", "soft"]
)
def test_the_gradient_of_any_loss_is_that_of_finite_differences(loss, neuron, gradients_of):
    net, (x, y) = build((6, 5, 4, 3), neuron=neuron), batch(num_steps=12, size=2)
    ours = gradients_of(EventProp(), net, x, y, loss)
    for name, parameter in net.named_parameters():
        assert ours[name].abs().max() > 1e-4, name
        for place in range(0, parameter.numel(), 7):
            slope = difference(parameter, place, lambda: float(EventProp().accumulate(net, x, y, loss).loss))
            assert float(ours[name].view(-1)[place]) == pytest.approx(slope, rel=1e-5, abs=1e-7), (name, place)


def test_the_network_on_a_grid_comes_to_the_same_outputs_as_the_grid_gets_finer():
    x, y = batch()
    exact = EventProp().accumulate(build(), x, y, RateCrossEntropy()).outputs
    errors = []
    for parts in (10, 100):
        fine = torch.zeros(30 * parts, *x.shape[1:], dtype=torch.float64)
        fine[::parts] = x
        outputs = build(dt=1.0 / parts)(fine).detach()[parts - 1 :: parts]
        errors.append(float((outputs - exact).abs().max() / exact.abs().max()))
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.05


def test_graded_inputs_are_larger_jumps():
    net, (x, y) = build(sizes=(6, 8, 3)), batch()
    twice = build(sizes=(6, 8, 3))
    with torch.no_grad():
        twice[0].weight.mul_(2)
    a, b = (
        EventProp().accumulate(net, 2 * x, y, RateCrossEntropy()),
        EventProp().accumulate(twice, x, y, RateCrossEntropy()),
    )
    torch.testing.assert_close(a.outputs, b.outputs, rtol=1e-12, atol=1e-14)


def test_it_trains_single_precision_networks():
    """Two classes, told by which of two inputs fires, 0 to 3 ms after the start."""
    net = build(sizes=(2, 20, 2)).float()
    x, y = torch.zeros(20, 16, 2), torch.arange(16) % 2
    x[torch.arange(16) // 4, torch.arange(16), y] = 1.0
    loss, optimiser = MembraneCrossEntropy(at="max"), torch.optim.Adam(net.parameters(), lr=0.1)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        losses.append(float(EventProp().accumulate(net, x, y, loss).loss))
        optimiser.step()
    assert net[0].weight.grad.dtype == torch.float32
    assert losses[-1] < 0.6 * losses[0]


def with_(*layers):
    return Sequential(*layers).double()


def linear():
    return nn.Linear(6, 6, bias=False)


OUT = (LeakyIntegrator(decay_input=False), LeakyIntegrator())


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (with_(nn.Linear(6, 6), NEURON, linear(), *OUT), "expected layers of Linear(bias=False) and Spiking(SynapticLIF)"),
        (with_(linear(), LIF(), linear(), *OUT), "got Linear(in_features=6, out_features=6, bias=False), Spiking(LIF), Lin"),
        (with_(linear(), NEURON, linear(), LeakyIntegrator()), "two Spiking(LeakyIntegrator), a synapse"),
        (with_(linear(), NEURON, linear(), LeakyIntegrator(), LeakyIntegrator()), "(decay_input=False) and a membrane"),
        (with_(linear(), NEURON.replace(decay_input=False), linear(), *OUT), "expected layers of"),
        (with_(linear(), NEURON.replace(reset=NoReset()), linear(), *OUT), "expected layers of"),
        (with_(linear(), Spiking(NEURON, learn=("tau_m",)), linear(), *OUT), "expected layers of"),
        (with_(linear(), Spiking(NEURON, dt=0.5), linear(), *OUT), "expected layers of"),
        (with_(linear(), NEURON.replace(v_rest=2.0), linear(), *OUT), "expected a threshold above rest and reset, got v_th -1"),
        (
            with_(linear(), NEURON.replace(tau_m=torch.tensor([5.0, 6.0] * 3)), linear(), *OUT),
            "expected one value of each parameter a layer, got several of tau_m",
        ),
    ],
)  # fmt: skip
def test_networks_of_another_form_are_refused(net, message):
    with pytest.raises(ConfigError) as caught:
        EventProp().accumulate(net, *batch(), RateCrossEntropy())
    assert str(caught.value).startswith("EventProp: ")
    assert message in str(caught.value)
