"""Legendre memory: the delay line, and the units of numbers and of spikes, against plain numpy."""

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn import L2MU, LMU, legendre_delay, legendre_read, observe, run

SIZES = {"channels": 3, "order": 4, "hidden": 5, "theta": 7.0}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def inputs(steps=20, batch=2):
    return torch.randn(steps, batch, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("order", "theta", "share", "least"), [(8, 50, 1.0, 0.99), (8, 50, 0.5, 0.99), (4, 7, 1.0, 0.9)]
)
def test_the_state_holds_what_came_theta_steps_ago(order, theta, share, least):
    a, b = (x.numpy() for x in legendre_delay(order, theta))
    assert np.abs(np.linalg.eigvals(a)).max() < 1
    random = np.random.default_rng(0)
    frequencies, phases = random.uniform(0, 0.02 if theta > 10 else 0.04, 40), random.uniform(0, 6.3, 40)
    u = np.cos(6.283 * np.outer(np.arange(2000), frequencies) + phases).sum(1)
    m, read = np.zeros(order), legendre_read(order, share).numpy()
    seen = []
    for value in u:
        m = a @ m + b * value
        seen.append(read @ m)
    lag = round(share * theta)
    assert np.corrcoef(seen[200:], u[200 - lag : -lag])[0, 1] > least


def test_the_published_spectral_radius():
    a, _ = legendre_delay(8, 50)
    assert torch.linalg.eigvals(a).abs().max().item() == pytest.approx(0.9105, abs=5e-5)


def test_the_unit_of_numbers_does_what_its_equations_say():
    net = LMU(6, **SIZES)
    with torch.no_grad():
        net.encode.weight.normal_(std=0.3)
    a, b = (x.numpy() for x in legendre_delay(4, 7.0))
    e, w = net.encode.weight.detach().double().numpy(), net.hidden.weight.detach().double().numpy()
    x = inputs()
    out = net(x).detach().numpy()
    for batch in range(2):
        m, h = np.zeros((3, 4)), np.zeros(5)
        for t in range(20):
            own = x[t, batch].double().numpy()
            u = e @ np.concatenate([own, h, m.ravel()])
            m = m @ a.T + u[:, None] * b
            h = np.tanh(w @ np.concatenate([own, h, m.ravel()]))
            np.testing.assert_allclose(out[t, batch], h, atol=1e-5)


@pytest.mark.parametrize("late", [True, False])
def test_the_unit_of_spikes_does_what_its_equations_say(late):
    thresholds = (0.3, 0.4, 0.5)
    net = L2MU(6, **SIZES, thresholds=thresholds, late_reset=late)
    with torch.no_grad():
        net.encode.weight.normal_(std=0.4)
    a, b = (x.numpy() for x in legendre_delay(4, 7.0))
    whole = np.hstack([np.kron(np.eye(3), b[:, None]), np.kron(np.eye(3), a)])  # every channel by itself
    encode, hidden = (layer.weight.detach().double().numpy() for layer in (net.encode, net.hidden))
    matrices = [encode, whole, hidden]
    betas = np.array([0.7, 0.3, 0.3])
    x = (inputs(40) > 0.5).float()
    out = net(x).detach().numpy()
    assert 0.02 < out.mean() < 0.9
    for batch in range(2):
        m, h = np.zeros(12), np.zeros(5)
        v = [np.zeros(3), np.zeros(12), np.zeros(5)]

        def fire(p, current, v=v):
            before = v[p] > thresholds[p] if late else np.zeros_like(v[p], dtype=bool)
            v[p] = betas[p] * v[p] + current - thresholds[p] * before
            spikes = v[p] > thresholds[p]
            if not late:
                v[p] = v[p] - thresholds[p] * spikes
            return spikes.astype(float)

        for t in range(40):
            own = x[t, batch].double().numpy()
            u = fire(0, matrices[0] @ np.concatenate([own, h, m]))
            m = fire(1, matrices[1] @ np.concatenate([u, m]))
            h = fire(2, matrices[2] @ np.concatenate([own, h, m]))
            np.testing.assert_array_equal(out[t, batch], h)


@pytest.mark.parametrize("kind", [LMU, L2MU])
def test_pieces_give_what_the_whole_gives(kind):
    net, x = kind(6, **SIZES), inputs()
    first, state = run(net, x[:7])
    second, _ = run(net, x[7:], state)
    assert torch.equal(torch.cat([first, second]), net(x))


@pytest.mark.parametrize("kind", [LMU, L2MU])
def test_only_the_memory_is_fixed_and_gradients_reach_the_rest(kind):
    net = kind(6, **SIZES)
    net(3 * inputs()).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad is (name != "memory.weight")
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name


def test_without_memory_nothing_hears_it():
    net, x = L2MU(6, **SIZES, memory=False), 3 * inputs()
    before = net(x)
    with torch.no_grad():
        net.memory.weight.zero_()
    assert torch.equal(net(x), before)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^legendre_delay\.order: expected at least one polynomial, got 0\.$"):
        legendre_delay(0, 2.0)
    with pytest.raises(ConfigError, match=r"^LMU: expected at least one input, .*, got 6, 1, 0, 1\.$"):
        LMU(6, channels=1, order=0, hidden=1, theta=2.0)
    with pytest.raises(
        ConfigError, match=r"^L2MU\.betas: expected three numbers > 0 and < 1, got \(1\.0, 0\.3, 0\.3\)"
    ):
        L2MU(6, **SIZES, betas=(1.0, 0.3, 0.3))
    with pytest.raises(ShapeError, match=r"^L2MU: expected input \(T, B, 6\), got \(3, 2, 5\)\.$"):
        L2MU(6, **SIZES)(torch.zeros(3, 2, 5))


def test_whoever_observes_sees_all_steps_of_every_population():
    net, x = L2MU(6, **SIZES), 3 * inputs()
    with observe(net) as seen:
        y = net(x)
    assert torch.equal(seen["lif_h"].spikes_TB, y.detach())
    assert {path: tuple(layer.states["v"].shape) for path, layer in seen.items()} == {
        "lif_u": (20, 2, 3), "lif_m": (20, 2, 12), "lif_h": (20, 2, 5),
    }  # fmt: skip
