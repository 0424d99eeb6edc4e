"""BPTT against finite differences, on networks whose spikes are smooth (``Soft``), in float64."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.reset import Subtract
from ranvier.core.surrogate import Soft, spike
from ranvier.core.surrogates.atan import ATan
from ranvier.neurons import LIF
from ranvier.nn import Sequential
from ranvier.nn.spiking import Spiking
from ranvier.rules import BPTT


class Recurrent(nn.Module):
    """Three leaky neurons that hear an input and each other, and two outputs: written out here, step by step."""

    def __init__(self, surrogate):
        super().__init__()
        g = torch.Generator().manual_seed(1)
        self.w_in = nn.Parameter(torch.randn(3, 4, generator=g, dtype=torch.float64))
        self.w_rec = nn.Parameter(0.5 * torch.randn(3, 3, generator=g, dtype=torch.float64))
        self.w_out = nn.Parameter(torch.randn(2, 3, generator=g, dtype=torch.float64))
        self.surrogate = surrogate

    def forward(self, x_TBN):
        v = s = torch.zeros(x_TBN.shape[1], 3, dtype=torch.float64)
        outputs = []
        for x in x_TBN:
            v = 0.8 * v - s + x @ self.w_in.T + s @ self.w_rec.T
            s = spike(v - 1.0, self.surrogate)
            outputs.append(s @ self.w_out.T)
        return torch.stack(outputs)


def loss(outputs_TBK, targets_B):
    return cross_entropy(outputs_TBK.mean(0), targets_B)


def batch(num=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(7, num, 4, generator=g, dtype=torch.float64)
    return x, torch.arange(num) % 2


def differences(net, parameter, x, y, h=1e-6):
    """Central differences of the loss along every entry of a parameter."""
    slopes = torch.zeros_like(parameter)
    with torch.no_grad():
        for i in range(parameter.numel()):
            entry = parameter.view(-1)
            keep = entry[i].item()
            entry[i] = keep + h
            above = loss(net(x), y)
            entry[i] = keep - h
            below = loss(net(x), y)
            entry[i] = keep
            slopes.view(-1)[i] = (above - below) / (2 * h)
    return slopes


def test_gradients_are_those_of_finite_differences_where_spikes_are_smooth():
    net = Recurrent(Soft(of=ATan()))
    x, y = batch()
    BPTT().accumulate(net, x, y, loss)
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().max() > 1e-3, name
        torch.testing.assert_close(parameter.grad, differences(net, parameter, x, y), rtol=1e-6, atol=1e-8)


def test_gradients_through_a_spiking_layer_and_its_time_constant_are_those_of_finite_differences():
    neuron = LIF(tau_m=3.0, v_th=0.5, surrogate=Soft(of=ATan()))
    net = Sequential(nn.Linear(4, 3), Spiking(neuron, learn=("tau_m",), executor="reference"), nn.Linear(3, 2)).double()
    g = torch.Generator().manual_seed(3)
    for layer in (net[0], net[2]):
        nn.init.normal_(layer.weight, generator=g)
    x, y = batch()
    BPTT().accumulate(net, x, y, loss)
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().max() > 1e-4, name
        torch.testing.assert_close(parameter.grad, differences(net, parameter, x, y), rtol=1e-5, atol=1e-8)


def test_with_spikes_the_surrogate_takes_the_place_of_the_derivative():
    """One neuron, one step: dL/dw = dL/do * w_out * sigma'(w x - 1) * x, written out."""
    net = Recurrent(ATan())
    with torch.no_grad():
        net.w_rec.zero_()
    x, y = batch(num=1)
    x = x[:1]
    BPTT().accumulate(net, x, y, loss)
    v = net.w_in.detach() @ x[0, 0]
    assert 0 < (v >= 1).sum() < 3  # some fire, some do not
    out = net.w_out.detach() @ (v >= 1).double()
    by_output = torch.softmax(out, 0) - torch.tensor([1.0, 0.0], dtype=torch.float64)
    u = v - 1
    slope = (2 / 2) / (1 + (torch.pi / 2 * 2 * u) ** 2)  # arctan surrogate, alpha = 2
    expected = torch.outer(net.w_out.detach().T @ by_output * slope, x[0, 0])
    torch.testing.assert_close(net.w_in.grad, expected, rtol=1e-12, atol=1e-14)


def test_the_evaluation_is_the_plain_loss_and_outputs_without_graph():
    net = Recurrent(ATan())
    x, y = batch()
    seen = BPTT().accumulate(net, x, y, loss, scale=0.25)
    outputs = net(x)
    assert torch.equal(seen.outputs, outputs)
    assert torch.equal(seen.loss, loss(outputs, y))
    assert not seen.loss.requires_grad
    assert not seen.outputs.requires_grad


def gradients(net, *batches):
    net.zero_grad()
    for (x, y), scale in batches:
        BPTT().accumulate(net, x, y, loss, scale=scale)
    return [parameter.grad.clone() for parameter in net.parameters()]


def test_the_scale_multiplies_and_calls_add_up():
    net = Recurrent(ATan())
    once = gradients(net, (batch(), 1.0))
    for a, b in zip(gradients(net, (batch(), 0.5)), once, strict=True):
        torch.testing.assert_close(a, 0.5 * b, rtol=1e-14, atol=0)
    for a, b in zip(gradients(net, (batch(), 1.0), (batch(), 2.0)), once, strict=True):
        torch.testing.assert_close(a, 3 * b, rtol=1e-13, atol=1e-16)


def test_parts_of_a_batch_weighted_by_their_sizes_are_the_whole_batch():
    net = Recurrent(ATan())
    x, y = batch(num=5)
    whole = gradients(net, ((x, y), 1.0))
    parts = gradients(net, ((x[:, :2], y[:2]), 2 / 5), ((x[:, 2:], y[2:]), 3 / 5))
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-15)


def test_a_loss_that_is_no_scalar_is_refused():
    x, y = batch()
    with pytest.raises(ShapeError, match=r"^BPTT: expected a loss that is a scalar, got shape \(5,\)"):
        BPTT().accumulate(Recurrent(ATan()), x, y, lambda o, t: cross_entropy(o.mean(0), t, reduction="none"))


def test_a_loss_that_depends_on_no_parameter_is_refused():
    net = Recurrent(ATan()).requires_grad_(False)
    x, y = batch()
    with pytest.raises(ConfigError, match="expected a loss that depends on a parameter of the network"):
        BPTT().accumulate(net, x, y, loss)


class Leaky(nn.Module):
    """Weights and a layer of LIF neurons with soft reset, written out; states are detached every ``horizon`` steps."""

    def __init__(self, weight, horizon):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.horizon = horizon

    def forward(self, x_TBN):
        v = torch.zeros(x_TBN.shape[1], self.weight.shape[0], dtype=torch.float64)
        outputs = []
        for t, x in enumerate(x_TBN):
            if t % self.horizon == 0:
                v = v.detach()
            v = math.exp(-1 / 3.0) * v + x @ self.weight.T
            s = spike(v - 0.5, ATan())
            v = v - 0.5 * s
            outputs.append(s)
        return torch.stack(outputs)


@pytest.mark.parametrize("horizon", [1, 3, 7, 100])
def test_with_a_horizon_gradients_are_those_of_states_cut_from_the_graph(horizon):
    weight = torch.randn(2, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    neuron = LIF(tau_m=3.0, v_th=0.5, decay_input=False, reset=Subtract(), surrogate=ATan())
    net = Sequential(nn.Linear(4, 2, bias=False), Spiking(neuron, executor="reference")).double()
    with torch.no_grad():
        net[0].weight.copy_(weight)
    x, y = batch()
    by_hand = Leaky(weight, horizon)
    expected = loss(by_hand(x), y)
    expected.backward()
    seen = BPTT(horizon=horizon).accumulate(net, x, y, loss)
    assert 0 < seen.outputs.mean() < 1
    assert torch.equal(seen.outputs, by_hand(x).detach())
    torch.testing.assert_close(net[0].weight.grad, by_hand.weight.grad, rtol=1e-6, atol=1e-9)


def test_a_horizon_changes_the_gradient_only():
    x, y = batch()
    grads = []
    for horizon in (None, 1):
        net = Sequential(nn.Linear(4, 2), Spiking(LIF(tau_m=3.0, v_th=0.3), executor="reference")).double()
        nn.init.ones_(net[0].weight)
        nn.init.zeros_(net[0].bias)
        seen = BPTT(horizon=horizon).accumulate(net, x, y, loss)
        grads.append(net[0].weight.grad)
    assert not torch.equal(*grads)
    assert seen.outputs.sum() > 0


def test_a_horizon_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match=r"^BPTT\.horizon: expected at least 1 step, or None, got 0"):
        BPTT(horizon=0)
