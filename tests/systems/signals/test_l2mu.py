"""Letters: T time, B batch, C channels, K classes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.measure import neurobench, operations
from ranvier.nn.inference import compile_for_inference
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import override
from ranvier.systems.signals import activities, l2mu
from ranvier.systems.signals.edge import pruned
from ranvier.train import Train

TINY = replace(
    l2mu.FAST, encoders=6, channels=2, order=3, hidden=5, num_train=24, num_test=12, batch_size=12, compare=False,
    train=Train(epochs=1),
)  # fmt: skip


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def windows(config=TINY, part="test"):
    return torch.stack(list(l2mu.samples(config, part).samples), 1)


def lively(config=TINY):
    """A network that answers: with weights as drawn, few classes ever fire."""
    net = l2mu.build(config).eval()
    with torch.no_grad():
        net[3].bias.fill_(0.3)
        net[2].encode.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(2))
    return net


def test_parameters_and_dense_operations_are_those_of_the_wiring():
    """X inputs: (C + N) (X + N + C D) learned, once a step each; D (1 + D) fixed, once a step for each of C channels."""
    net = l2mu.build(TINY)
    heard = 6 + 5 + 6
    weights = 6 * 6 + (2 + 5) * heard + 5 * 7
    others = 6 + 7 + 3 + 1 + 1 + 3  # biases, leaks of the unit and of both populations beside it, thresholds
    bench = neurobench(net, windows())
    assert bench["parameter_count"] == weights + 3 * 4 + others
    assert bench["dense"] == 40 * (weights + 2 * 3 * 4)


def test_only_spikes_pass_between_populations():
    net, x = lively(), windows()
    heard = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, given, path=path: heard.setdefault(path, []).append(given[0].detach())
        )
        for path, layer in net.named_modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    assert set(heard) == {"input", "unit.encode", "unit.memory", "unit.hidden", "readout"}
    for path, given in heard.items():
        binary = all(bool(((g == 0) | (g == 1)).all()) for g in given)
        assert binary is (path != "input"), path
    counted = operations(net, x).layers
    assert counted["unit.hidden"].macs == 0
    # Additions are spikes times fan-out.
    spikes = sum(float(g.sum(dtype=torch.float64)) for g in heard["unit.encode"]) / x.shape[1]
    weights = (net[2].encode.weight != 0).double().sum(0)
    by_hand = sum(float((g.double() @ weights).sum()) for g in heard["unit.encode"]) / x.shape[1]
    assert spikes > 0
    assert counted["unit.encode"].acs == pytest.approx(by_hand, rel=1e-9)


def test_drawn_postures_are_constant_and_paces_are_the_classes():
    x, y = activities.motions("waves", "train", count=400, limit=None, seed=3)
    assert x.shape == (40, 400, 6)
    means = x.mean(0)
    sides = torch.cos(math.pi * torch.arange(6.0))
    assert bool((means[y % 2 == 1] @ sides > 0).all())
    assert bool((means[y % 2 == 0] @ sides < 0).all())
    spectrum = np.abs(np.fft.rfft((x - x.mean(0)).numpy(), axis=0)).sum(-1)
    hertz = np.fft.rfftfreq(40, 0.05)[spectrum.argmax(0)]
    for motion in range(4):
        assert np.median(hertz[(y // 2 == motion).numpy()]) == pytest.approx(1 + motion, abs=0.5)
    cue, _ = activities.motions("cue", "train", count=400, limit=None, seed=3)
    assert cue[14:].std().item() == pytest.approx(0.5, abs=0.01)


def test_real_windows_are_standardised_by_the_training_people(monkeypatch):
    class Found:
        classes = (*activities.HAND[::-1], "walking")
        labels = np.array([0, 7, 6])

        def __init__(self, offset):
            self.offset = offset

        def __getitem__(self, index):
            return torch.arange(300.0).reshape(100, 3) + index + self.offset, int(self.labels[index])

    monkeypatch.setattr(activities.har_wisdm, "load", lambda split: Found(0.0 if split == "train" else 1000.0))
    train, labels = activities.motions("wisdm", "train", count=1, limit=None, seed=0)
    test, _ = activities.motions("wisdm", "test", count=1, limit=3, seed=0)
    assert (train.shape, test.shape) == ((40, 4, 3), (40, 3, 3))
    assert labels.tolist() == [6, 6, 0, 0]
    raw = np.arange(300.0).reshape(100, 3)
    known = np.stack([raw, raw + 2])
    expected = (raw + 1000 - known.mean((0, 1))) / known.std((0, 1), ddof=1)
    np.testing.assert_allclose(test[:, 1].numpy(), expected[40:80], rtol=1e-4)


def test_a_delta_code_hears_changes_alone():
    config = replace(TINY, encoder="delta")
    x = windows(config)
    assert x.shape == (40, 12, 12)
    assert bool(((x == 0) | (x == 1)).all())
    assert 0.05 < x.mean() < 0.95
    assert l2mu.build(config)[0].in_features == 12


def test_a_rate_code_tosses_a_coin_for_each_sample():
    config = replace(TINY, encoder="rate", num_test=400)
    coins, samples = windows(config), windows(replace(config, encoder="none"))
    assert coins.shape == samples.shape
    assert bool(((coins == 0) | (coins == 1)).all())
    for low, high in ((-2, -1), (-1, 0), (0, 1), (1, 2)):
        inside = (samples > low) & (samples < high)
        chance = float(samples[inside].mean()) / 5 + 0.5
        assert coins[inside].mean().item() == pytest.approx(chance, abs=0.02)
    assert torch.equal(coins, windows(config))
    assert not torch.equal(coins, windows(replace(config, seed=1)))


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_on_the_edge_it_answers_as_the_network(weights):
    net, x = lively(), windows()
    with torch.no_grad():
        expected = net(x)
    edge = compile_for_inference(net, weights=weights, crossover=1.0)
    found, _ = edge.run(x)
    assert 0.02 < expected.mean() < 0.9
    # Thresholds merged into weights round differently; a spike that meets its threshold may move.
    assert (found != expected).float().mean() <= (1e-3 if weights == "float32" else 0.15)
    stream = edge.stream(batch=12)
    stream.run(x[:9])
    state, rest = stream.state, stream.run(x[9:])
    stream.state = state
    assert torch.equal(stream.run(x[9:]), rest)
    assert torch.equal(rest, found[9:])


def test_pruning_leaves_the_largest_weights_and_the_memory():
    net = lively()
    thin = pruned(net, 0.5)
    for path, layer in net.named_modules():
        if not isinstance(layer, torch.nn.Linear):
            continue
        before, after = layer.weight.detach(), thin.get_submodule(path).weight
        if path == "unit.memory":
            assert torch.equal(before, after)
            continue
        kept = after != 0
        assert kept.float().mean().item() == pytest.approx(0.5, abs=0.02)
        assert before[kept].abs().min() >= before[~kept].abs().max()
    with pytest.raises(ConfigError, match=r"^pruned\.share: expected a share in \[0, 1\), got 1"):
        pruned(net, 1)


def test_each_compressed_variant_is_what_it_is_called(monkeypatch):
    net, ran = lively(), []
    compiled = l2mu.compile_for_inference
    monkeypatch.setattr(l2mu, "compile_for_inference", lambda v, **how: (ran.append((v, how)), compiled(v, **how))[1])
    found = l2mu.compressed(net, l2mu._trainer(TINY))
    assert set(found) == {"int8", "pruned", "pruned_int8", "footprint_int8"}
    assert [how["weights"] for _, how in ran] == ["int8", "float32", "int8"]
    zeros = [float((v[2].hidden.weight == 0).float().mean()) for v, _ in ran]
    assert zeros == pytest.approx([0, 0.2, 0.2], abs=0.02)


@pytest.mark.parametrize("late", [True, False])
def test_options_of_resets_and_of_what_is_asked_reach_their_parts(late):
    config = replace(TINY, late_reset=late, asked=7)
    net = l2mu.build(config)
    wanted = "after_leak" if late else "spike"
    populations = [net[1], net[4], *(net[2].population(name) for name in "umh")]
    assert [layer.neuron.reset_at for layer in populations] == [wanted] * 5
    assert l2mu._trainer(config).loss.last == 7


def test_a_run_leaves_results_and_a_network_that_streams(tmp_path):
    assert l2mu.train(TINY, Run.create(tmp_path / "run", name="l2mu", config={}).folder, quiet) == ""
    assert "LIF populations" in Results.read(tmp_path / "run" / "results.json").title
    net, x = lively(), windows()
    stream = net.stream(batch=12)
    assert torch.equal(torch.stack([stream(step) for step in x]), net(x))


def test_it_saves_and_loads(tmp_path):
    torch.save(lively().state_dict(), tmp_path / "w.pt")
    other = l2mu.build(replace(TINY, seed=5))
    other.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    assert torch.equal(other(windows()), lively()(windows()))


def test_measuring_twice_gives_the_same(monkeypatch):
    monkeypatch.setattr(l2mu, "CUE", replace(TINY, task="cue", asked=15))
    first, second = (dict(l2mu.measure(TINY, 3, quiet)) for _ in range(2))
    assert first == second
    assert set(first) == {"accuracy", "rate", "macs_inside", "sparsity", "acs", "footprint", "energy_nj"}
    assert first["macs_inside"] == 0
    more = dict(l2mu.measure(replace(TINY, compare=True, ablate=True), 3, quiet))
    variants = {"int8", "pruned", "pruned_int8"}
    assert set(more) - set(first) == {"lmu", "memoryless", "footprint_int8", *variants}
    assert {name: more[name] for name in first} == first
    assert set(l2mu.measure(replace(TINY, cue=True), 3, quiet)) - set(first) == {
        "cue", "cue_memoryless", "cue_lmu", "cue_lmu_memoryless"
    }  # fmt: skip
    assert more["footprint_int8"] < 0.5 * more["footprint"]  # biases and thresholds stay as they are


@pytest.mark.parametrize("unit", ["l2mu", "lmu"])
def test_it_compiles_without_a_graph_break(unit):
    net, x = l2mu.build(replace(TINY, unit=unit)).eval(), windows()[:3]
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["hidden=0"], "l2mu: hidden: expected at least 1, got 0"),
        (["theta=0"], "l2mu: theta: expected a number > 0"),
        (["unit=lmu", "encoder=delta"], 'expected "none" for unit "lmu"'),
    ],
)
def test_options_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        override(l2mu.Config(), options)
