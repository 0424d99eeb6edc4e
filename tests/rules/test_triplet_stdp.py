import math
import re

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn import Competition, random_delays
from ranvier.nn.competition import EXCITATORY, INHIBITORY
from ranvier.rules import Arrivals, TripletSTDP, normalise
from ranvier.rules.triplet_stdp import last_spike_trace

GROUPS, MEMBERS, INPUTS, LONGEST = 2, 4, 25, 3


def network(seed=0):
    draw = torch.Generator().manual_seed(seed)
    weight = torch.rand(GROUPS, MEMBERS, INPUTS, generator=draw, dtype=torch.float64)
    return Competition(weight, random_delays(weight.shape, longest=LONGEST, generator=draw), dt=1.0)


def drive(steps, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return (torch.rand(steps, GROUPS, INPUTS, generator=draw) < 0.08).double()


def twin(net, x, rule):
    """Synapse by synapse: each has its own pre trace, set at the spike's arrival. Returns weights, thresholds, spikes."""
    w, delay = net.weight.numpy().copy(), net.delay.numpy()
    pre, post1, post2 = np.zeros_like(w), np.zeros(w.shape[:2]), np.zeros(w.shape[:2])
    e = {k: np.full(w.shape[:2], float(v)) for k, v in EXCITATORY.rest()._asdict().items()}
    i = {k: np.full(w.shape[:2], float(v)) for k, v in INHIBITORY.rest()._asdict().items()}
    out = []
    for t in range(len(x)):
        pre *= math.exp(-1 / rule.tau_pre)
        post1 *= math.exp(-1 / rule.tau_post1)
        post2 *= math.exp(-1 / rule.tau_post2)
        current = np.zeros(w.shape[:2])
        for g, m, n in np.ndindex(*w.shape):
            ago = t - delay[g, m, n]
            if ago >= 0 and x[ago, g, n]:
                current[g, m] += w[g, m, n]
                w[g, m, n] = min(max(w[g, m, n] + rule.nu_pre * post1[g, m], 0.0), rule.w_max)
                pre[g, m, n] = 1.0
        fired = advance(EXCITATORY, e, current)
        for g, m in np.argwhere(fired):
            w[g, m] = np.clip(w[g, m] + rule.nu_post * pre[g, m] * post2[g, m], 0, rule.w_max)
            post1[g, m] = post2[g, m] = 1.0
        answers = advance(INHIBITORY, i, 10.4 * fired)
        e["g_i"] = e["g_i"] + 17.0 * (answers.sum(1, keepdims=True) - answers)
        out.append(fired)
    return w, e["theta"], np.stack(out)


def advance(neuron, state, current):
    held = neuron.State(**{name: torch.from_numpy(value) for name, value in state.items()})
    new, spikes = neuron.step(held, torch.from_numpy(current), dt=1.0)
    state.update({name: value.numpy() for name, value in new._asdict().items()})
    return spikes.numpy()


@pytest.mark.parametrize("rule", [TripletSTDP(nu_post=0.1), TripletSTDP(nu_pre=-0.02, nu_post=0.3)], ids=["+", "-"])
def test_weights_thresholds_and_spikes_are_those_of_a_loop_over_synapses(rule):
    net, x = network(), drive(200)  # longer than the chunk in which arrivals are listed
    before = net.weight.clone()
    weight, theta, spikes = twin(net, x.numpy(), rule)
    seen = rule.present(net, Arrivals.of(net), x)
    assert 10 < spikes.sum() < 800
    np.testing.assert_array_equal(seen.numpy(), spikes)
    np.testing.assert_allclose(net.weight.numpy(), weight, atol=1e-12)
    np.testing.assert_allclose(net.theta.numpy(), theta, atol=1e-12)
    assert (net.weight - before).abs().max() > 0.01
    assert net.weight.min() >= 0
    assert net.weight.max() <= 1


def test_the_first_spike_changes_nothing_and_the_second_by_the_formula():
    rule = TripletSTDP()
    weight, pre = torch.tensor([[0.5, 0.9999]]), torch.tensor([[0.5, 1.0]])
    assert torch.equal(rule.fired(weight, pre, torch.zeros(1)), weight)
    torch.testing.assert_close(rule.fired(weight, pre, torch.tensor([0.3])), torch.tensor([[0.5015, 1.0]]))
    torch.testing.assert_close(rule.arrived(torch.tensor([0.2]), torch.tensor([0.5])), torch.tensor([0.20005]))


def test_normalised_weights_add_up_to_the_total_and_silent_ones_stay_silent():
    weight = torch.rand(2, 3, 50, generator=torch.Generator().manual_seed(0))
    weight[1, 1] = 0
    normalise(weight, total=78.0)
    sums = weight.sum(-1).flatten()
    torch.testing.assert_close(sums[sums > 0], torch.full((5,), 78.0))
    assert sums[4] == 0


def test_traces_are_one_at_a_spike_and_decay_since_the_last():
    spikes = torch.tensor([0.0, 1, 1, 0, 0, 1, 0])[:, None]
    trace = last_spike_trace(spikes, tau=20.0, dt=2.0, before=1)[:, 0]
    d = math.exp(-0.1)
    torch.testing.assert_close(trace, torch.tensor([0, 0, 1, 1, d, d * d, 1, d]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.uint8, torch.bool, torch.int64])
def test_traces_are_the_same_whatever_type_the_spikes_have(dtype):
    spikes = torch.rand(600, 3, generator=torch.Generator().manual_seed(0)) < 0.02
    trace, times = np.zeros(3), []
    for fired in spikes.numpy():
        trace = np.where(fired, 1.0, trace * math.exp(-1 / 20.0))
        times.append(trace)
    assert spikes[300:].sum() > 5
    ours = last_spike_trace(spikes.to(dtype), tau=20.0, dt=1.0)
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours, np.stack(times), atol=1e-6)


def test_arrivals_without_any_spike_are_empty():
    net = network()
    assert [len(found) for found in Arrivals.of(net).steps(torch.zeros(3, GROUPS, INPUTS))] == [0, 0, 0]
    before = net.weight.clone()
    assert TripletSTDP().present(net, Arrivals.of(net), torch.zeros(3, GROUPS, INPUTS, dtype=torch.float64)).sum() == 0
    assert torch.equal(net.weight, before)


def test_mistakes_are_named():
    net = network()
    for shape in ((3, 2, 24), (0, 2, 25)):
        text = f"TripletSTDP.present: expected input spikes (T, 2, 25), at least one step, got {shape}."
        with pytest.raises(ShapeError, match=f"^{re.escape(text)}"):
            TripletSTDP().present(net, Arrivals.of(net), torch.zeros(shape))
    with pytest.raises(ConfigError, match=r"^TripletSTDP\.tau_pre: expected a number > 0 ms, got 0\.0\."):
        TripletSTDP(tau_pre=0.0)
