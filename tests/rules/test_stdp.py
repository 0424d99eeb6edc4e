"""STDP against sums over all pairs of spikes, written as the paper has them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.neurons import IF
from ranvier.nn import Sequential, Spiking
from ranvier.rules import STDP
from ranvier.train.losses import RateCrossEntropy


def pairs(pre, post, rule):
    """Sum the window over all pairs of spikes of one input and one output, without bounds."""
    total = 0.0
    for t_pre in np.flatnonzero(pre):
        for t_post in np.flatnonzero(post):
            lag = (t_post - t_pre) * rule.dt
            if lag > 0:
                total += rule.a_plus * math.exp(-lag / rule.tau_plus)
            elif lag < 0:
                total -= rule.a_minus * math.exp(lag / rule.tau_minus)
    return total


def drawn(*shape, seed=0):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) < 0.2).double()


def test_the_change_is_the_sum_over_all_pairs():
    rule = STDP(tau_plus=12.0, tau_minus=12.5, a_plus=0.3, a_minus=0.3, dt=0.5, bounds="hard")
    pre, post = drawn(40, 3, 4), drawn(40, 3, 2, seed=1)
    change = rule.change(pre, post, torch.full((2, 4), 0.5, dtype=torch.float64))
    for m in range(2):
        for n in range(4):
            expected = np.mean([pairs(pre[:, b, n], post[:, b, m], rule) for b in range(3)])
            assert change[m, n].item() == pytest.approx(expected, rel=1e-12)
    assert change.min() < 0 < change.max()


def test_soft_bounds_scale_by_the_distance_to_them_and_hard_ones_stop_there():
    pre, post = torch.zeros(3, 1, 1), torch.zeros(3, 1, 1)
    pre[0], post[1] = 1, 1  # potentiation only
    one = torch.tensor([[1.0]])
    up = STDP().change(pre, post, one * 0.5).item()
    assert up == pytest.approx(0.01 * math.exp(-1 / 20))
    assert STDP(bounds="soft").change(pre, post, one * 0.8).item() == pytest.approx(0.2 * up)
    assert STDP().change(pre, post, one).item() == 0
    assert STDP().change(post, pre, one * 0).item() == 0
    assert STDP().change(post, pre, one).item() < 0
    assert STDP(bounds="soft").change(post, pre, one * 0).item() == 0


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = {"linear": nn.Linear(5, 4, bias=False), "lif": Spiking(IF()), "readout": nn.Linear(4, 2)}
        net = Sequential(layers)
        nn.init.uniform_(net.get_submodule("linear").weight, 0.2, 0.8)
    return net


def test_the_plastic_layer_gets_the_rule_and_the_rest_the_gradient_of_the_loss():
    net, rule, loss = network(), STDP(), RateCrossEntropy()
    x, y = drawn(20, 6, 5).float(), torch.tensor([0, 1] * 3)
    told = rule.accumulate(net, x, y, loss, scale=0.5)
    grads = {name: p.grad.clone() for name, p in net.named_parameters()}
    hidden = net.get_submodule("lif")(net.get_submodule("linear")(x))
    assert hidden.sum() > 0
    expected = -0.5 * rule.change(x, hidden, net.get_submodule("linear").weight.detach())
    torch.testing.assert_close(grads["linear.weight"], expected)
    net.zero_grad()
    value = loss(net(x), y)
    (0.5 * value).backward()
    torch.testing.assert_close(grads["readout.weight"], net.get_submodule("readout").weight.grad)
    torch.testing.assert_close(told.loss, value.detach())
    rule.accumulate(net, x, y, loss)  # adds to what is there
    rule.accumulate(net, x, y, loss)
    assert not told.outputs.requires_grad


def test_names_that_are_no_layers_are_refused():
    net, x, y = network(), torch.zeros(2, 1, 5), torch.tensor([0])
    with pytest.raises(ConfigError, match=r"the name of a Linear of the network \(linear, readout\), got 'lif', which"):
        STDP(synapses=("lif",)).accumulate(net, x, y, RateCrossEntropy())
    with pytest.raises(ConfigError, match=r"got 'out', which is absent"):
        STDP(neurons=("out",)).accumulate(net, x, y, RateCrossEntropy())
    with pytest.raises(ConfigError, match=r"^STDP\.neurons: expected one name for each of synapses"):
        STDP(neurons=())
