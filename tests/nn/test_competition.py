import re

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.neurons import LIF
from ranvier.nn import Competition, random_delays, run
from ranvier.nn.competition import EXCITATORY, INHIBITORY
from ranvier.nn.stream import Stream

GROUPS, MEMBERS, INPUTS, LONGEST = 2, 5, 30, 4


def network(seed=0, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    weight = torch.rand(GROUPS, MEMBERS, INPUTS, generator=draw, dtype=torch.float64).to(dtype)
    delay = random_delays((GROUPS, MEMBERS, INPUTS), longest=LONGEST, generator=draw)
    return Competition(weight, delay, dt=1.0)


def drive(steps=80, batch=3, seed=1, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    return (torch.rand(steps, batch, INPUTS, generator=draw) < 0.1).to(dtype)


def twin(net, x):
    """One sample in numpy loops: delays by looking back, inhibition a step later."""
    weight, delay = net.weight.numpy(), net.delay.numpy()
    rest_e, rest_i = EXCITATORY.rest(), INHIBITORY.rest()
    shape = (GROUPS, MEMBERS)
    e = {name: np.full(shape, float(value)) for name, value in rest_e._asdict().items()}
    i = {name: np.full(shape, float(value)) for name, value in rest_i._asdict().items()}
    e["theta"] = e["theta"] + net.theta.numpy()
    out = []
    for t in range(len(x)):
        current = np.zeros(shape)
        for g in range(GROUPS):
            for m in range(MEMBERS):
                for n in range(INPUTS):
                    ago = t - delay[g, m, n]
                    if ago >= 0:
                        current[g, m] += weight[g, m, n] * x[ago, n]
        fired = advance(EXCITATORY, e, current)
        answers = advance(INHIBITORY, i, 10.4 * fired)
        e["g_i"] = e["g_i"] + 17.0 * (answers.sum(1, keepdims=True) - answers)
        out.append(fired)
    return np.stack(out)


def advance(neuron, state, current):
    held = neuron.State(**{name: torch.from_numpy(value) for name, value in state.items()})
    new, spikes = neuron.step(held, torch.from_numpy(current), dt=1.0)
    state.update({name: value.numpy() for name, value in new._asdict().items()})
    return spikes.numpy()


def test_graded_input_scales_weights_in_both_forms():
    net, x = network(), drive()
    graded = x * torch.rand(x.shape, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    heard = torch.cat([torch.zeros(LONGEST, *x.shape[1:], dtype=x.dtype), graded])
    torch.testing.assert_close(net.sparse_currents(heard), net.currents(heard))
    assert not torch.allclose(net.sparse_currents(heard), net.sparse_currents((heard != 0).to(x.dtype)))
    np.testing.assert_array_equal(run(net, graded)[0][:, 0].numpy(), twin(net, graded[:, 0].numpy()))


def test_weights_are_its_own_whatever_their_layout():
    weight = torch.rand(INPUTS, MEMBERS, GROUPS, generator=torch.Generator().manual_seed(0)).permute(2, 1, 0)
    net = Competition(weight, torch.zeros(weight.shape, dtype=torch.int64))
    assert net.weight.is_contiguous()
    net.weight.zero_()
    assert weight.min() < weight.max()


def test_nothing_in_gives_nothing_out_and_numbers_are_taken_in_the_type_of_the_weights():
    net = network()
    assert run(net, drive(batch=0))[0].shape == (80, 0, GROUPS, MEMBERS)
    deaf = Competition(torch.zeros(1, 2, 0), torch.zeros(1, 2, 0, dtype=torch.int64))
    assert not run(deaf, torch.zeros(3, 2, 0))[0].any()
    single = network(dtype=torch.float32)
    assert torch.equal(run(single, drive())[0], run(single, drive(dtype=torch.float32))[0])
    assert single.run(drive())[1].recent.dtype == torch.float32


def test_neurons_of_another_kind_are_refused():
    weight, delay = torch.ones(1, 2, 3), torch.zeros(1, 2, 3, dtype=torch.int64)
    with pytest.raises(ConfigError, match="Competition.excitatory: expected a ConductanceLIF, got LIF"):
        Competition(weight, delay, excitatory=LIF())


def test_spikes_are_those_of_plain_loops():
    net, x = network(), drive()
    net.theta.copy_(torch.linspace(0, 2, GROUPS * MEMBERS).view(GROUPS, MEMBERS))
    seen = net(x)
    assert seen.shape == (80, 3, GROUPS, MEMBERS)
    assert 10 < seen.sum() < 400
    for sample in range(3):
        np.testing.assert_array_equal(seen[:, sample].numpy(), twin(net, x[:, sample].numpy()))


def test_the_sparse_sum_equals_the_plain_one():
    net, x = network(), drive()
    heard = torch.cat([drive(LONGEST, seed=2), x])
    torch.testing.assert_close(net.sparse_currents(heard), net.currents(heard), rtol=1e-12, atol=1e-12)
    silent = torch.zeros(LONGEST + 3, 1, INPUTS, dtype=torch.float64)
    assert net.sparse_currents(silent).abs().sum() == 0


def test_chunks_equal_the_whole_and_a_stream_goes_on():
    net, x = network(), drive()
    whole = net(x)
    first, state = run(net, x[:33])
    second, _ = run(net, x[33:], state)
    assert torch.equal(torch.cat([first, second]), whole)
    stream = Stream(net, batch=3)
    parts = [stream.run(part) for part in x.split([1, 40, 39])]
    assert torch.equal(torch.cat(parts), whole)


def test_a_group_hears_nothing_of_the_others():
    net, x = network(), drive()
    alone = Competition(net.weight[1:], net.delay[1:], dt=1.0)
    assert torch.equal(net(x)[:, :, 1], alone(x)[:, :, 0])


def test_inhibition_leaves_fewer_winners():
    net, x = network(), drive()
    free = Competition(net.weight, net.delay, dt=1.0, inhibit=0.0)
    held = Competition(net.weight, net.delay, dt=1.0, inhibit=100.0)
    assert held(x).sum() < 0.7 * free(x).sum()


def test_a_saved_network_gives_the_same(tmp_path):
    net, x = network(), drive()
    again = network(seed=9)
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(x), net(x))


def test_it_compiles_without_a_break():
    net, x = network(), drive(3, 2)
    x[0] = 1.0
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), net(x))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Competition(torch.ones(2, 3, 4), torch.zeros(2, 3, 5).long()), ShapeError, "Competition: expected weights and delays (G, M, N), got (2, 3, 4) and (2, 3, 5)."),
        (lambda: Competition(torch.ones(2, 3, 4), torch.zeros(2, 3, 4)), ConfigError, "Competition.delay: expected int64 steps >= 0, got torch.float32."),
        (lambda: Competition(torch.ones(2, 3, 4), torch.zeros(2, 3, 4).long(), dt=0.0), ConfigError, "Competition.dt: expected a time > 0 ms, got 0.0."),
        (lambda: network()(torch.zeros(4, 2, 7, dtype=torch.float64)), ShapeError, "Competition: expected input spikes (T, B, 30), got (4, 2, 7)."),
        (lambda: network().run(drive(), network().start(2)), StateError, "Competition: expected state.v of shape (3, 2, 5) for this input, got (2, 2, 5)."),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        call()
