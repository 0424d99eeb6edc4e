"""Letters: T time, B batch, C channels, H W space, K classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from ranvier.core.errors import ConfigError
from ranvier.nn import Dropout, Stream
from ranvier.report import Results
from ranvier.rules import BPTT, OTTT, SLTT
from ranvier.runs import Run
from ranvier.systems.config import from_plain, override, to_plain
from ranvier.systems.training import sltt
from ranvier.train import SGD, Train

TINY = sltt.Config(limit=20, num_steps=3, shrink=4, plan=(4, "P"), batch_size=10, train=Train(epochs=1))


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def test_the_network_is_the_equations_of_the_paper_step_by_step():
    """u = lam v + W s + b, s = H(u - 1), v = u - s, in float64 numpy, batch norms in evaluation."""
    net = sltt.build(replace(TINY, plan=(4, "P", 5))).double().eval()
    with torch.no_grad():
        for conv in (net["conv1"], net["conv2"]):
            conv.weight.mul_(2)
    x_TBCHW = torch.rand(5, 2, 2, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    lam, v1, v2, rows, fired = 1 - 1 / 1.1, 0.0, 0.0, [], []
    with torch.no_grad():
        for x in x_TBCHW:
            u1 = lam * v1 + net["norm1"](net["conv1"](x)).numpy()
            s1 = (u1 >= 1).astype(float)
            v1 = u1 - s1
            pooled = s1[:, :, :8, :8].reshape(2, 4, 4, 2, 4, 2).mean((3, 5))
            u2 = lam * v2 + net["norm2"](net["conv2"](torch.from_numpy(pooled))).numpy()
            s2 = (u2 >= 1).astype(float)
            v2 = u2 - s2
            fired.append(s2.mean())
            rows.append(s2.reshape(2, -1) @ net["linear"].weight.numpy().T + net["linear"].bias.numpy())
        assert 0 < np.mean(fired) < 1
        np.testing.assert_allclose(net(x_TBCHW).numpy(), np.stack(rows), rtol=1e-9, atol=1e-12)


def test_the_loss_is_that_of_the_paper():
    loss = sltt._trainer(TINY).loss
    o, y = torch.randn(4, 3, 10), torch.tensor([1, 0, 9])
    expected = sum(0.95 * cross_entropy(s, y) + 0.05 * mse_loss(s, torch.ones_like(s)) for s in o) / 4
    torch.testing.assert_close(loss(o, y), expected)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({}, SLTT()), ({"num_backward": 2}, SLTT(num_backward=2)), ({"rule": "bptt"}, BPTT()), ({"rule": "ottt"}, OTTT())],
)
def test_an_option_chooses_the_rule(changes, rule):
    assert sltt._trainer(replace(TINY, **changes)).rule == rule


def test_memory_for_the_way_back_is_flat_in_time_for_sltt_alone():
    found = {}
    for rule in ("sltt", "bptt", "ottt"):
        trainer = sltt._trainer(replace(TINY, rule=rule))
        x, y = next(iter(trainer.train.batches(0)))
        found[rule] = [sltt.held(trainer, x.repeat(n, 1, 1, 1, 1), y) for n in (1, 4)]
    assert found["sltt"][0] == found["sltt"][1] > 0
    assert found["ottt"][1] <= 1.05 * found["ottt"][0]
    assert found["bptt"][1] >= 3.5 * found["bptt"][0]


def test_measuring_twice_gives_the_same_and_bptt_is_its_own_measure():
    first, again = (sltt.measure(TINY, 0, lambda fraction, words: None) for _ in range(2))
    assert first == again
    assert first["slope"] == 0
    assert 0 < first["rate"] < 1
    control = sltt.measure(replace(TINY, rule="bptt"), 0, lambda fraction, words: None)
    assert control["gap"] == 0
    assert control["slope"] > 0.9
    assert control["saved_of_bptt"] == 1
    assert control["accuracy"] == pytest.approx(first["accuracy"] + first["gap"])


def test_comparing_trains_by_each_rule_from_the_same_seed(monkeypatch):
    seen = []
    whole = sltt._trainer

    def noted(config):
        seen.append(config)
        return whole(config)

    monkeypatch.setattr(sltt, "_trainer", noted)
    images = replace(TINY, limit=15, seed=3)
    monkeypatch.setattr(sltt, "CIFAR10_SMALL", images)
    found = sltt.measure(replace(TINY, compare=True), 4, lambda fraction, words: None)
    few = replace(images, seed=4, num_backward=2)
    assert seen[-4:] == [
        replace(TINY, compare=True, seed=4, num_backward=2), replace(images, seed=4), few,
        replace(few, num_backward=None, rule="bptt"),
    ]  # fmt: skip
    plain = sltt.measure(replace(images, seed=4, rule="bptt"), 4, lambda fraction, words: None)
    assert found["cifar10_bptt"] == plain["accuracy"]
    assert {"few", "cifar10", "cifar10_few", "accuracy", "gap"} <= set(found)


def test_a_rule_that_learns_no_images_does_not_pass():
    good = {"slope": 0.0, "gap": 0.0, "accuracy": 0.9, "cifar10": 0.5, "cifar10_few": 0.48, "cifar10_bptt": 0.51}
    passes = sltt.SYSTEM.claim.passes
    assert passes(good)
    for worse in ({"cifar10": 0.46}, {"cifar10_few": 0.44}, {"cifar10": 0.39, "cifar10_bptt": 0.39}):
        assert not passes(good | worse)


def test_a_training_leaves_results_and_weights_that_can_be_streamed(tmp_path):
    run = Run.create(tmp_path / "run", name="sltt", config={})
    assert sltt.train(TINY, run.folder, quiet) == ""
    assert "SLTT on N-MNIST" in Results.read(run.folder / "results.json").title
    net = sltt.build(TINY).eval()
    x = torch.rand(4, 2, 2, 9, 9)
    stream = Stream(net, batch=2)
    torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), net(x))


def test_it_compiles_to_one_graph():
    net = sltt.build(TINY).eval()
    x = torch.rand(3, 2, 2, 9, 9)
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), net(x))


def test_the_recipes_of_the_paper_are_what_the_sheet_says():
    resnet = sltt.build(replace(sltt.CIFAR10, seed=1))
    assert (sltt.CIFAR10.num_steps, sltt.CIFAR10.batch_size, sltt.CIFAR10.train.epochs) == (6, 128, 200)
    assert sltt.CIFAR10.train.optimiser == SGD(lr=0.1, momentum=0.9, weight_decay=5e-5)
    assert resnet(torch.rand(1, 2, 3, 32, 32)).shape == (1, 2, 10)
    dvs = sltt.build(sltt.DVS)
    assert sum(isinstance(m, Dropout) for m in dvs.modules()) == 8
    assert dvs["linear"].weight.shape == (10, 512 * 49)


def test_options_round_trip_and_can_be_set():
    for config in (sltt.Config(), sltt.K2, sltt.CIFAR10, sltt.DVS):
        assert from_plain(sltt.Config(), to_plain(config)) == config
    changed = override(sltt.Config(), ["num_backward=2", "train.epochs=3", "plan=[8, P, 8]"])
    assert (changed.num_backward, changed.train.epochs, changed.plan) == (2, 3, (8, "P", 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": 0}, "sltt: num_steps: expected at least 1, got 0."),
        ({"num_backward": 7}, "sltt: num_backward: expected None, or at most num_steps with rule=sltt, got 7."),
        ({"num_backward": 2, "rule": "bptt"}, "expected None, or at most num_steps with rule=sltt, got 2."),
        ({"tau": 0.5}, "sltt: tau: expected a time constant >= 1 step, got 0.5."),
        ({"dropout": 1.0}, "sltt: dropout: expected a share in [0, 1), got 1.0."),
    ],
)
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        replace(sltt.Config(), **changes)
    assert message in str(caught.value)


def test_the_control_differs_from_the_claim_by_the_mechanism_only():
    claim = sltt.SYSTEM.claim
    assert replace(claim.control, rule="sltt", compare=True) == claim.config
    assert replace(claim.fast.control, rule="sltt") == claim.fast.config
