"""Letters: T time, B batch, N inputs, M outputs, K classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.audio import Sound
from ranvier.nn import Stream
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import from_plain, override, to_plain
from ranvier.systems.events import dcls_delays as system
from ranvier.train import Train

TINY = replace(
    system.Config(), inputs=5, classes=3, latency=6, hidden=(7,), max_delay=6, num_train=20, num_test=20, batch_size=10,
    train=Train(epochs=1),
)  # fmt: skip


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def late(x_TBN, layer):
    """Add up late inputs, synapse by synapse."""
    weight = layer.weight.detach().numpy()
    delay = np.rint(layer.delay.detach().numpy()).astype(int).reshape(weight.shape)
    y = np.zeros((*x_TBN.shape[:2], weight.shape[0]))
    for m, n, s in np.ndindex(*weight.shape):
        d = delay[m, n, s]
        y[d:, :, m] += weight[m, n, s] * x_TBN[: len(x_TBN) - d, :, n]
    return y


def test_the_network_is_the_equations_of_the_paper_step_by_step():
    """h = v (1 - 1 / tau) + x, s = H(h - 1), v = h (1 - s), in float64 numpy; the read-out never fires."""
    net = system.build(replace(TINY, tau=1.5, tau_readout=2.0, synapses=2)).double().eval()
    x = (torch.rand(25, 2, 5, generator=torch.Generator().manual_seed(0)) < 0.4).double()
    drive, v, s = 3.0 * late(x.numpy(), net["delayed1"]), 0.0, []
    net["norm1"].weight.data.mul_(3.0)
    for current in drive / np.sqrt(1 + 1e-5):
        h = v / 3.0 + current
        s.append((h >= 1).astype(float))
        v = h * (1 - s[-1])
    assert 0 < np.mean(s) < 1
    expected, u = [], 0.0
    for current in late(np.stack(s), net["readout"]):
        u = u / 2.0 + current
        expected.append(u)
    np.testing.assert_allclose(net(x).detach().numpy(), np.stack(expected), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("config", "weights", "norms"), [(system.SHD, 106_496, 512), (system.SSC, 140 * 512 + 512 * 512 + 5120, 1024)]
)
def test_the_networks_of_the_paper_have_as_many_synapses_each_with_a_weight_and_a_delay(config, weights, norms):
    sizes = {name: p.numel() for name, p in system.build(replace(config, task="motifs", classes=20 if
             config is system.SHD else 10)).named_parameters()}  # fmt: skip
    assert sum(n for name, n in sizes.items() if name.endswith(".weight") and "norm" not in name) == weights
    assert sum(n for name, n in sizes.items() if name.endswith(".delay")) == weights
    assert sum(sizes.values()) == 2 * weights + 2 * norms


def test_the_control_learns_about_as_many_numbers_and_no_delay():
    claim = system.SYSTEM.claim
    learned, none = (dict(system.build(c).named_parameters()) for c in (claim.config, claim.control))
    assert sum(p.numel() for p in none.values()) == pytest.approx(sum(p.numel() for p in learned.values()), rel=0.1)
    assert any(name.endswith("delay") for name in learned)
    assert not any(name.endswith("delay") for name in none)
    assert [system.build(claim.control)[name].max_delay for name in ("delayed1", "readout")] == [0, 0]
    fixed = system.build(system.FIXED)
    assert fixed["delayed1"].delays().unique().numel() > 10
    assert not any(name.endswith("delay") for name, _ in fixed.named_parameters())


def test_a_motif_is_one_spike_a_channel_at_the_latencies_of_its_class():
    config = replace(TINY, jitter=0.0, noise=0.0, num_train=200)
    made = system.motifs(config, "train")
    x = torch.stack(list(made.samples))
    assert x.shape == (200, config.num_steps, 5)
    assert (x.sum(1) == 1).all()
    when = x.argmax(1)
    for label in range(3):
        own = when[torch.tensor(made.labels) == label]
        relative = own - own[:, :1]
        assert len(own) > 20
        assert (relative == relative[0]).all()  # the shift moves all channels
        assert own[:, 0].unique().numel() == system.SHIFT
    assert (x[:, -config.silence :] == 0).all()
    assert not torch.equal(x[:20], torch.stack(list(system.motifs(config, "test").samples))[:20])


def test_jitter_and_noise_are_as_asked():
    made = system.motifs(replace(TINY, inputs=50, jitter=0.0, noise=0.03, num_train=300), "train")
    x = torch.stack(list(made.samples))[:, : -TINY.silence]
    assert x.sum().item() == pytest.approx(x.numel() * 0.03 + 300 * 50 * 0.97, rel=0.02)


def test_a_sound_becomes_spikes_that_add_up_to_its_bands():
    t = np.arange(4000) / 8000
    config = replace(TINY, task="digits", inputs=8, frames=20, spike=0.25)
    made = system.hear(config, Sound((0.5 * np.sin(2 * np.pi * 500 * t)).astype(np.float32), 8000))
    assert made.shape == (config.num_steps, 8)
    assert (made == made.round()).all()
    assert made.min() == 0
    assert made.sum() > 10
    assert made[20:].sum() == 0


@pytest.mark.parametrize("delays", ["learned", "fixed", "none"])
def test_a_run_leaves_results_and_a_network_that_streams(tmp_path, delays):
    config = replace(TINY, delays=delays)
    folder = Run.create(tmp_path / "run", name="dcls-delays", config={}).folder
    assert system.train(config, folder, quiet) == ""
    assert Results.read(folder / "results.json").title == "DCLS-Delays on motifs"
    net = system.build(config).eval()
    x = torch.stack(list(system.motifs(config, "test").samples[:2]), 1)
    with torch.no_grad():
        stream = Stream(net, batch=2)
        torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), net(x))


def test_measuring_twice_gives_the_same_figures_and_delays_move():
    first = system.measure(TINY, 1, lambda *_: None)
    assert system.measure(TINY, 1, lambda *_: None) == first
    assert first["moved"] > 0
    assert {"accuracy", "rate", "energy_nj"} <= first.keys()
    assert first["energy_nj"] > 0


def test_delays_have_a_learning_rate_of_their_own_and_grow_narrow():
    teacher = system.trainer(replace(TINY, train=Train(epochs=4)))
    layer = teacher.net.get_submodule("delayed1")
    first = layer.width.item()
    teacher.fit()
    assert first == 3.0
    assert layer.width.item() == pytest.approx(0.23)
    moved = {lr: system.measure(replace(TINY, delay_lr=lr), 1, lambda *_: None)["moved"] for lr in (0.0, 10.0, 100.0)}
    assert moved[0.0] == 0
    assert moved[100.0] > 5 * moved[10.0]


@pytest.mark.filterwarnings("ignore:.*should not be instantiated")  # torch 2.13 warns of how dynamo itself does it
def test_it_compiles_to_one_graph():
    net = system.build(TINY)
    x = torch.stack(list(system.motifs(TINY, "test").samples[:3]), 1)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(x), net(x))


def test_options_reach_the_config_and_bad_ones_are_refused():
    config = override(system.Config(), ["train.epochs=3", "hidden=[8, 9]", "delays=fixed"])
    assert (config.train.epochs, config.hidden, config.delays) == (3, (8, 9), "fixed")
    assert from_plain(system.Config(), to_plain(system.SHD)) == system.SHD
    for wrong, words in (
        ({"tau": 1.0}, "tau: expected more than 1 step"),
        ({"hidden": ()}, "hidden: expected at least one"),
        ({"max_delay": -1}, "max_delay: expected at least 0"),
        ({"inputs": 0}, "inputs: expected at least 1"),
        ({"dropout": 1.0}, "dropout: expected a share"),
        ({"noise": 2.0}, "expected noise in"),
    ):
        with pytest.raises(ConfigError, match=words):
            replace(TINY, **wrong)
