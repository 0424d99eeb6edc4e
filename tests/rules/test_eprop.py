"""e-prop against BPTT where the two are the same, and against the paper's recursions in numpy."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.core.surrogate import spike
from ranvier.core.surrogates.triangle import Triangle
from ranvier.neurons import ALIF, LIF, AdLIF, LeakyIntegrator, SynapticLIF
from ranvier.nn import FeedbackLinear, Recurrent, Sequential, Spiking
from ranvier.rules import BPTT, EProp
from ranvier.train.losses import TET

LOSS = TET(lam=0.0)
TENT = Triangle(gamma=0.3)
CUT = Subtract(detach=True)
NEURONS = {
    "LIF, reset detached": LIF(tau_m=5.0, v_th=0.3, surrogate=TENT, reset=CUT),
    "LIF, through its reset": LIF(tau_m=5.0, v_th=0.3, surrogate=TENT),
    "ALIF": ALIF(tau_m=5.0, tau_a=20.0, v_th=0.3, beta=0.2, surrogate=TENT, reset=CUT),
    "SynapticLIF": SynapticLIF(tau_m=5.0, v_th=0.3, surrogate=TENT),
    "AdLIF": AdLIF(tau_m=5.0, v_th=0.3, surrogate=TENT),
}


def build(hidden, readout=None, *, leaky=True):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = [nn.Linear(6, 8), hidden, nn.Linear(8, 3) if readout is None else readout]
    with torch.no_grad():
        layers[0].weight.mul_(2)
    return Sequential(*layers, *([Spiking(LeakyIntegrator(tau_m=8.0))] if leaky else [])).double()


def batch(num_steps=15, size=4):
    g = torch.Generator().manual_seed(0)
    return 3 * torch.rand(num_steps, size, 6, generator=g).double(), torch.arange(size) % 3


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("leaky", [True, False])
def test_where_no_neuron_hears_another_it_is_bptt(name, leaky, gradients_of):
    net, (x, y) = build(Spiking(NEURONS[name]), leaky=leaky), batch()
    whole = gradients_of(BPTT(), net, x, y, LOSS)
    seen = EProp().accumulate(net, x, y, LOSS)
    torch.testing.assert_close(seen.outputs, net(x).detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(seen.loss, LOSS(net(x), y).detach(), rtol=1e-9, atol=0)
    assert 0 < net[:2](x).detach().mean() < 1
    ours = gradients_of(EProp(), net, x, y, LOSS)
    assert ours.keys() == whole.keys()
    for name_, gradient in ours.items():
        assert gradient.abs().max() > 1e-5, name_
        torch.testing.assert_close(gradient, whole[name_], rtol=1e-7, atol=1e-11)


class Cut(nn.Module):
    """A recurrent layer of ALIF neurons, as the paper writes it, whose spikes reach other neurons without graph."""

    def __init__(self, net, neuron):
        super().__init__()
        self.affine, self.recurrent, self.readout = net[0], net[1], net[2]
        self.neuron = neuron

    def forward(self, x_TBI):
        n = self.neuron
        d, p, k = (float(np.exp(-1 / tau)) for tau in (n.tau_m, n.tau_a, 8.0))
        v = a = z = torch.zeros(x_TBI.shape[1], 8, dtype=torch.float64)
        out, outputs = torch.zeros(x_TBI.shape[1], 3, dtype=torch.float64), []
        for x in x_TBI:
            current = self.affine(x) + z.detach() @ self.recurrent.weight.T + self.recurrent.bias
            v = d * v + (1 - d) * current
            z = spike(v - n.v_th - n.beta * a, TENT)
            v, a = v - n.v_th * z.detach(), p * a + z
            out = k * out + (1 - k) * self.readout(z)
            outputs.append(out)
        return torch.stack(outputs)


def test_in_a_recurrent_layer_it_is_bptt_without_what_goes_by_way_of_other_neurons(gradients_of):
    neuron = NEURONS["ALIF"]
    net, (x, y) = build(Recurrent(neuron, 8, bias=True)), batch()
    twin = Cut(net, neuron)
    torch.testing.assert_close(twin(x), net(x))
    value = LOSS(twin(x), y)
    expected = dict(zip(dict(net.named_parameters()), torch.autograd.grad(value, list(net.parameters())), strict=True))
    ours, whole = gradients_of(EProp(), net, x, y, LOSS), gradients_of(BPTT(), net, x, y, LOSS)
    assert ours["1.weight"].abs().max() > 1e-5
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-7, atol=1e-11)
    assert not torch.allclose(ours["1.weight"], whole["1.weight"], rtol=1e-2)


def test_the_traces_of_an_adaptive_neuron_are_the_recursions_of_the_paper(gradients_of):
    """eps_a' = psi zbar + (rho - psi beta) eps_a, e = psi (zbar - beta eps_a): one neuron, one input, one output."""
    neuron = ALIF(tau_m=5.0, tau_a=20.0, v_th=0.3, beta=0.2, surrogate=TENT, reset=CUT, decay_input=False)
    net = Sequential(nn.Linear(1, 1, bias=False), Spiking(neuron), nn.Linear(1, 2, bias=False)).double()
    with torch.no_grad():
        net[0].weight.fill_(0.4)
        net[2].weight.copy_(torch.tensor([[1.0], [-0.5]]))
    x = (torch.rand(40, 1, 1, generator=torch.Generator().manual_seed(3)) < 0.5).double()
    alpha, rho = np.exp(-1 / 5), np.exp(-1 / 20)
    v = a = zbar = eps = total = 0.0
    fired = 0
    for s in x.flatten().numpy():
        v, zbar = alpha * v + 0.4 * s, alpha * zbar + s
        psi = 0.3 * max(0.0, 1 - abs(v - 0.3 - 0.2 * a))
        z = float(v >= 0.3 + 0.2 * a)
        trace = psi * (zbar - 0.2 * eps)
        eps = psi * zbar + (rho - psi * 0.2) * eps
        v, a = v - 0.3 * z, rho * a + z
        o = np.array([1.0, -0.5]) * z
        error = np.exp(o) / np.exp(o).sum() - np.array([1.0, 0.0])
        total += float(error @ np.array([1.0, -0.5])) * trace / 40
        fired += z
    assert 2 < fired < 38
    ours = gradients_of(EProp(), net, x, torch.tensor([0]), LOSS)["0.weight"]
    assert float(ours) == pytest.approx(total, rel=1e-9)


def test_with_random_feedback_errors_come_back_by_other_weights(gradients_of):
    """Feedback that happens to be W_out^T is symmetric e-prop; any other changes the layers before, not the read-out."""
    x, y = batch()
    readout = FeedbackLinear(8, 3).double()
    net = build(Recurrent(NEURONS["ALIF"], 8), readout)
    other = gradients_of(EProp(), net, x, y, LOSS)
    readout.feedback.copy_(readout.weight.detach().T)
    same = gradients_of(EProp(), net, x, y, LOSS)
    plain = nn.Linear(8, 3).double()
    plain.load_state_dict({"weight": readout.weight.detach(), "bias": readout.bias.detach()})
    twin = build(Recurrent(NEURONS["ALIF"], 8), plain)
    twin.load_state_dict({k: v for k, v in net.state_dict().items() if "feedback" not in k})
    symmetric = gradients_of(EProp(), twin, x, y, LOSS)
    for name, gradient in symmetric.items():
        torch.testing.assert_close(gradient, same[name], rtol=1e-12, atol=1e-15)
    assert torch.equal(other["2.weight"], same["2.weight"])
    assert not torch.allclose(other["0.weight"], same["0.weight"], rtol=1e-2)


def test_adaptive_feedback_gets_the_update_of_the_read_out(gradients_of):
    net, (x, y) = build(Recurrent(NEURONS["ALIF"], 8), FeedbackLinear(8, 3, adaptive=True)), batch()
    ours = gradients_of(EProp(), net, x, y, LOSS)
    assert torch.equal(ours["2.feedback"], ours["2.weight"].T)
    assert ours["2.feedback"].abs().max() > 0


def test_rates_are_drawn_to_their_target():
    """The regulariser's part of the gradient is that of c / (T B) sum (f - f*) z with f as a number."""
    net, (x, y) = build(Spiking(NEURONS["LIF, reset detached"]), leaky=False), batch()
    c, target = 0.7, 0.1
    grads = []
    for weight in (0.0, c):
        net.zero_grad()
        EProp(rate_weight=weight, rate_target=target).accumulate(net, x, y, LOSS)
        grads.append(net[0].weight.grad.clone())
    z = net[:2](x)
    so_far = z.detach().mean(1).cumsum(0) / torch.arange(1, 16).unsqueeze(1)
    value = (c * (so_far - target).unsqueeze(1) * z).sum() / (15 * 4)
    (expected,) = torch.autograd.grad(value, net[0].weight)
    torch.testing.assert_close(grads[1] - grads[0], expected, rtol=1e-7, atol=1e-11)


def test_calls_add_up_and_frozen_parameters_stay_without_gradient():
    net, (x, y) = build(Recurrent(NEURONS["ALIF"], 8)), batch()
    net[1].weight.requires_grad_(False)
    EProp().accumulate(net, x, y, LOSS)
    once = net[0].weight.grad.clone()
    EProp().accumulate(net, x, y, LOSS, scale=2.0)
    torch.testing.assert_close(net[0].weight.grad, 3 * once)
    assert net[1].weight.grad is None


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Sequential(nn.Linear(6, 3)), "one layer of neurons (Recurrent or Spiking), Linear, and leaky integrators or"),
        (Sequential(nn.Linear(6, 4), LIF(), nn.Linear(4, 3), LIF()), "outputs that are potentials, got Spiking(LIF)"),
        (Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), LIF(), nn.Linear(4, 3)), "got Linear, BatchNorm1d, Spiking, Linear"),
        (
            Sequential(nn.Linear(6, 4), Spiking(LIF(), learn=("tau_m",)), nn.Linear(4, 3)),
            "neurons whose own parameters are not learned, got learned tau_m",
        ),
    ],
)  # fmt: skip
def test_networks_of_another_form_are_refused(net, message):
    with pytest.raises(ConfigError) as caught:
        EProp().accumulate(net.double(), *batch(), LOSS)
    assert message in str(caught.value)


def test_it_learns_to_tell_which_of_two_cues_came_first():
    """Twenty steps back: without traces there is nothing to learn from at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        neuron = ALIF(tau_m=10.0, tau_a=60.0, v_th=0.4, beta=0.1, surrogate=TENT, reset=CUT)
        net = Sequential(nn.Linear(4, 30), Recurrent(neuron, 30), nn.Linear(30, 2), LeakyIntegrator(tau_m=10.0))
        with torch.no_grad():
            net[0].weight.mul_(6)
        x, y = torch.zeros(30, 32, 4), torch.arange(32) % 2
        x[:6, torch.arange(32), y] = (torch.rand(6, 32) < 0.6).float()
        x[:, :, 2] = (torch.rand(30, 32) < 0.3).float()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)

    def last_half(o, t):
        return cross_entropy(o.mean(0), t)

    for _ in range(40):
        optimiser.zero_grad()
        seen = EProp().accumulate(net, x, y, last_half)
        optimiser.step()
    assert (seen.outputs[20:].mean(0).argmax(-1) == y).float().mean() > 0.9
