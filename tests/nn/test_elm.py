"""Expressive leaky memory against plain numpy in float64, and its published sizes."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError, StateError
from ranvier.nn import ELM, Branches, Leaks, Sequential, Stream, run

ROUTED = Branches(num=3, synapses=4)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def inputs(steps=20, batch=2, size=8):
    drawn = torch.rand(steps, batch, size, generator=torch.Generator().manual_seed(1))
    return (drawn < 0.3).double() - (drawn > 0.9).double()


def twin(net, x):
    """The paper's equations, with one trace a synapse."""
    value = {name: p.detach().numpy() for name, p in net.state_dict().items()}
    leaks = net.leaks
    w = np.maximum(value["synapses"], 0)
    tau = leaks.tau_min + (leaks.tau_max - leaks.tau_min) / (1 + np.exp(-value["tau_logit"]))
    kappa_s, kappa_m = np.exp(-net.dt / leaks.tau_s), np.exp(-net.dt / tau)
    gain = leaks.strength * (1 - kappa_m) if leaks.version == "v1" else 1 - np.exp(-net.dt * leaks.strength / tau)
    out = []
    for sample in x.numpy().transpose(1, 0, 2):
        s, m, seen = np.zeros(w.shape), np.zeros(net.memory), []
        for now in sample:
            if w.ndim == 1:
                s = kappa_s * s + w * now
                b = s
            else:
                heard = np.concatenate([now, [0.0]])[value["sources"]]  # place -1 is the silent one
                s = kappa_s * s + w * heard
                b = s.sum(1)
            h = np.maximum(value["hidden.weight"] @ np.concatenate([b, kappa_m * m]) + value["hidden.bias"], 0)
            u = value["update.weight"] @ h + value["update.bias"]
            m = kappa_m * m + gain * 1.7159 * np.tanh(2 * u / 3)
            seen.append(value["readout.weight"] @ m + value["readout.bias"])
        out.append(seen)
    return np.array(out).transpose(1, 0, 2)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("branches", [None, ROUTED, Branches(num=3, synapses=4, routing="random")])
def test_outputs_are_those_of_the_equations(version, branches):
    net = ELM(8, 3, memory=5, branches=branches, leaks=Leaks(version=version, learn=True), dt=2.0).double()
    with torch.no_grad():
        net.synapses.uniform_(-0.5, 1.0)  # some of them below 0, which pass nothing
    x = inputs()
    y = net(x).detach().numpy()
    assert np.abs(y).std() > 0.01
    np.testing.assert_allclose(y, twin(net, x), atol=1e-12)


@pytest.mark.parametrize(
    ("memory", "count"), [(1, 4601), (10, 5852), (20, 8002), (25, 9377), (50, 19252), (100, 54002)]
)
def test_published_numbers_of_parameters(memory, count):
    net = ELM(1278, 2, memory=memory, branches=Branches())
    assert sum(p.numel() for p in net.parameters()) == count


def test_an_impulse_decays_by_the_two_constants_if_the_network_inside_says_nothing():
    net = ELM(1, 1, memory=3, leaks=Leaks(tau_s=5.0, tau_min=2.0, tau_max=100.0), dt=2.0).double()
    with torch.no_grad():
        net.update.weight.zero_()
        net.update.bias.zero_()
    m = torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)
    x = torch.zeros(6, 1, 1, dtype=torch.float64)
    x[0] = 1
    _, state = run(net, x, {"": ELM.State(torch.zeros(1, 1, dtype=torch.float64), m)})
    assert state[""].b.item() == pytest.approx(0.5 * np.exp(-5 * 2 / 5))
    tau = np.array([2.0, 200**0.5, 100.0])
    np.testing.assert_allclose(net.tau_m.detach(), tau, rtol=1e-4)
    np.testing.assert_allclose(
        state[""].m[0].detach(), m[0].numpy() * np.exp(-6 * 2 / net.tau_m.detach().numpy()), rtol=1e-12
    )


def test_one_memory_unit_starts_in_the_middle():
    net = ELM(1, 1, memory=1, leaks=Leaks(tau_min=1.0, tau_max=100.0))
    assert net.tau_m.item() == pytest.approx(10.0, rel=1e-4)


def test_time_constants_stay_between_their_bounds_whatever_training_does():
    net = ELM(2, 1, memory=4, leaks=Leaks(tau_min=3.0, tau_max=30.0, learn=True))
    with torch.no_grad():
        net.tau_logit.copy_(torch.tensor([-1e9, 1e9, 0.0, 5.0]))
    assert net.tau_m.tolist()[:3] == [3.0, 30.0, 16.5]
    assert "tau_logit" in dict(net.named_parameters())
    assert "tau_logit" not in dict(ELM(2, 1, memory=4).named_parameters())


def test_v1_pushes_fast_memory_beyond_1_and_v2_does_not():
    steps = {}
    for version in ("v1", "v2"):
        net = ELM(1, 1, memory=2, leaks=Leaks(version=version))
        with torch.no_grad():
            net.update.weight.zero_()
            net.update.bias.fill_(100.0)
        steps[version] = run(net, torch.zeros(1, 1, 1))[1][""].m[0, 0].item() / 1.7159
    assert steps == {"v1": pytest.approx(5 * (1 - np.exp(-1)), rel=1e-4), "v2": pytest.approx(1 - np.exp(-5), rel=1e-4)}


@pytest.mark.parametrize("branches", [None, ROUTED])
def test_pieces_give_what_the_whole_gives_and_streams_do(branches):
    net, x = ELM(8, 3, memory=5, branches=branches), inputs().float()
    whole = net(x)
    first, state = run(net, x[:7])
    second, _ = run(net, x[7:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-5, atol=1e-6)
    assert torch.equal(net(x), whole)
    stream = Stream(Sequential({"elm": net}), batch=2)
    torch.testing.assert_close(torch.stack([stream(row) for row in x]), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("branches", [None, ROUTED])
def test_gradients_are_those_of_finite_differences(branches):
    net = ELM(8, 2, memory=3, branches=branches, leaks=Leaks(learn=True)).double()
    x = inputs(steps=4).requires_grad_()
    names, values = zip(*net.named_parameters(), strict=True)

    def out(x, *values):
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(out, (x, *(v.detach().requires_grad_() for v in values)), atol=1e-6)


def test_it_compiles_without_a_graph_break_to_the_same_numbers():
    net, x = ELM(8, 2, memory=3, branches=ROUTED), inputs(steps=4).float()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), net(x))


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^ELM: expected at least one input, output and memory unit, got 3, 1, 0\.$"):
        ELM(3, 1, memory=0)
    with pytest.raises(ConfigError, match=r"^Leaks\.tau_min: expected 0 < tau_min < tau_max, got 9 and 9 ms\.$"):
        Leaks(tau_min=9.0, tau_max=9.0)
    with pytest.raises(ConfigError, match=r"^Leaks\.strength: expected a number > 0, got 0\.$"):
        Leaks(strength=0)
    with pytest.raises(ConfigError, match=r"^Leaks\.version: expected .v1. or .v2., got 3\.$"):
        Leaks(version=3)
    net = ELM(8, 2, memory=3)
    with pytest.raises(ShapeError, match=r"^ELM: expected input \(T, B, 8\), got \(4, 2, 5\)\.$"):
        net(torch.zeros(4, 2, 5))
    with pytest.raises(StateError, match=r"^ELM: expected state\.m of shape \(2, 3\) for this input, got \(2, 4\)"):
        net.run(torch.zeros(4, 2, 8), ELM.State(torch.zeros(2, 8), torch.zeros(2, 4)))
