"""DECOLLE against its recursion and local losses written out."""

import pytest
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.core.surrogate import spike
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.measure import saved_bytes
from ranvier.neurons import LIF
from ranvier.nn import Sequential, decolle
from ranvier.rules import DECOLLE
from ranvier.train.losses import SmoothL1

LOSS = SmoothL1()
ALPHA, BETA, GAMMA = 0.9, 0.8, 0.65


def build(*, seed=1, learned_readout=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(6, 8), nn.Linear(8, 7), nn.Linear(7, 3, bias=False)]
    with torch.no_grad():
        for layer in layers[:2]:
            layer.weight.mul_(6)
    layers[2].requires_grad_(learned_readout)
    first, second = (decolle(layer, alpha=ALPHA, beta=BETA, gamma=GAMMA) for layer in layers[:2])
    return Sequential({"first": first, "second": second, "readout": layers[2]}).double()


def batch(num_steps=12, size=4):
    g = torch.Generator().manual_seed(0)
    return (torch.rand(num_steps, size, 6, generator=g) < 0.5).double(), torch.arange(size) % 3


def by_hand(net, x_TBN, y, burn_in=0):
    """All local losses, each layer's input without graph; P, Q and R are plain numbers."""
    g = generator(0, "decolle", "first.neurons")
    readout = torch.empty(3, 8).uniform_(-(0.5 / 8**0.5), 0.5 / 8**0.5, generator=g).double()
    wanted = nn.functional.one_hot(y, 3).double()
    q, p, r, s = ([torch.zeros(4, n, dtype=torch.float64) for n in sizes] for sizes in ((6, 8), (6, 8), (8, 7), (8, 7)))
    total, own = 0.0, 0.0
    for t, x in enumerate(x_TBN):
        for k, layer in enumerate((net.first.layer, net.second.layer)):
            q[k], p[k] = BETA * q[k] + (1 - BETA) * x, ALPHA * p[k] + (1 - ALPHA) * q[k]
            r[k] = GAMMA * r[k] - (1 - GAMMA) * s[k]
            spikes = spike(layer(p[k]) + r[k], FastSigmoid(k=10.0), strict=True)
            s[k] = x = spikes.detach()
            if t >= burn_in:
                out = spikes @ readout.T if k == 0 else net.readout(spikes)
                value = smooth_l1_loss(out, wanted) / (len(x_TBN) - burn_in)
                total, own = total + value, own + (value.detach() if k else 0.0)
    return total, own


@pytest.mark.parametrize(("burn_in", "learned"), [(0, False), (5, True)])
def test_the_gradient_is_that_of_the_local_losses_written_out(burn_in, learned, gradients_of):
    net, (x, y) = build(learned_readout=learned), batch()
    total, own = by_hand(net, x, y, burn_in)
    learning = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    expected = dict(zip([n for n, _ in learning], torch.autograd.grad(total, [p for _, p in learning]), strict=True))
    seen = DECOLLE(burn_in=burn_in).accumulate(net, x, y, LOSS)
    torch.testing.assert_close(seen.loss, own, rtol=1e-9, atol=0)
    ours = gradients_of(DECOLLE(burn_in=burn_in), net, x, y, LOSS)
    assert ours.keys() == expected.keys()
    for name, gradient in ours.items():
        assert gradient.abs().max() > 1e-7, name
        torch.testing.assert_close(gradient, expected[name], rtol=1e-8, atol=1e-12)


def test_the_update_of_a_layer_does_not_depend_on_later_weights(gradients_of):
    (x, y), found = batch(), []
    for seed in (1, 2):
        net = build()
        other = build(seed=seed)
        net.second.load_state_dict(other.second.state_dict())
        net.readout.load_state_dict(other.readout.state_dict())
        found.append(gradients_of(DECOLLE(), net, x, y, LOSS))
    first, second = found
    assert torch.equal(first["first.layer.weight"], second["first.layer.weight"])
    assert not torch.equal(first["second.layer.weight"], second["second.layer.weight"])


def test_errors_do_not_come_back_from_a_later_layer_of_the_same_step(gradients_of):
    """Plain layers, where a later layer hears a spike at once: those of nn.decolle hear it a step later."""
    (x, y), found = batch(), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        lif = LIF(tau_m=3.0, v_th=0.3)
        net = Sequential(nn.Linear(6, 8), lif, nn.Linear(8, 7), lif, nn.Linear(7, 3)).double()
    for factor in (1.0, -3.0):
        with torch.no_grad():
            net[2].weight.mul_(factor)
            net[4].weight.mul_(factor)
        found.append(gradients_of(DECOLLE(), net, x, y, LOSS))
    assert found[0]["0.weight"].abs().max() > 0
    assert torch.equal(found[0]["0.weight"], found[1]["0.weight"])
    assert not torch.equal(found[0]["2.weight"], found[1]["2.weight"])


def test_outputs_are_those_of_the_network_and_memory_does_not_grow_with_time():
    net, peaks = build(), []
    for num_steps in (4, 16, 64):
        x, y = batch(num_steps)
        with saved_bytes(but=[*net.parameters(), x]) as saved:
            seen = DECOLLE().accumulate(net, x, y, LOSS)
        assert torch.equal(seen.outputs, net(x).detach())
        peaks.append(saved.peak)
    assert peaks[0] > 0
    assert max(peaks) <= 1.05 * min(peaks)


@pytest.mark.parametrize(("update", "burn_in", "pauses"), [("step", 0, 11), ("step", 4, 7), ("batch", 0, 0)])
def test_it_pauses_after_each_step_that_is_learned_from_or_not_at_all(update, burn_in, pauses):
    net, (x, y) = build(), batch()
    *before, last = DECOLLE(update=update, burn_in=burn_in).updates(net, x, y, LOSS)
    assert before == [None] * pauses
    assert last.outputs.shape == (12, 4, 3)


def test_read_outs_depend_on_the_seed_and_their_size_on_the_amplitude(gradients_of):
    net, (x, y) = build(), batch()
    names = "first.layer.weight"
    base = gradients_of(DECOLLE(), net, x, y, LOSS)[names]
    assert torch.equal(base, gradients_of(DECOLLE(), net, x, y, LOSS)[names])
    assert not torch.equal(base, gradients_of(DECOLLE(seed=1), net, x, y, LOSS)[names])
    assert gradients_of(DECOLLE(amplitude=2.0), net, x, y, LOSS)[names].norm() > 2 * base.norm()
    assert not torch.equal(base, gradients_of(DECOLLE(dropout=0.5), net, x, y, LOSS)[names])


def test_a_burn_in_of_all_steps_is_refused():
    with pytest.raises(ConfigError, match=r"^DECOLLE\.burn_in: expected fewer steps than the input has, got 12 of 12"):
        DECOLLE(burn_in=12).accumulate(build(), *batch(), LOSS)
