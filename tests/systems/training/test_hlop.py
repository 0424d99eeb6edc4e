"""Letters: T time, B batch, C channels, H W space, K classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.nn import AlignedConv2d, AlignedLinear, Stream, guarded
from ranvier.report import Results
from ranvier.rules import BPTT, HLOP, OTTT, SLTT
from ranvier.runs import Run
from ranvier.systems.config import from_plain, override, to_plain
from ranvier.systems.training import hlop
from ranvier.train import SGD, Train
from ranvier.train.losses import Among

TINY = hlop.Config(
    source="nmnist", shrink=4, num_tasks=2, limit=64, test_limit=20, hidden=(12, 10), num_steps=3, batch_size=16,
    rows=(8, 5, 4), more=(6, 3, 2), train=Train(epochs=1, optimiser=SGD(lr=0.3, momentum=0.0)),
)  # fmt: skip
SPLIT = replace(TINY, tasks="split", head="own", rows=(8, 5), more=(6, 3))
CONVOLUTIONS = replace(SPLIT, channels=(4, 5), rows=(4, 9, 5, 5), more=(2, 5, 3, 3))


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def test_the_network_is_the_equations_of_the_paper_step_by_step():
    """u = v / 2 + W s, s = H(u - 1), v = u - s, in float64 numpy; the read-out is a current."""
    net = hlop.build(replace(TINY, tau=2.0)).double()
    x_TBCHW = torch.rand(5, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w1, w2, w3 = (net[name].weight.detach().numpy() for name in ("linear1", "linear2", "readout"))
    v1, v2, rows, fired = 0.0, 0.0, [], []
    for x in x_TBCHW.flatten(2).numpy():
        u1 = v1 / 2 + x @ w1.T
        s1 = (u1 >= 1).astype(float)
        u2 = v2 / 2 + s1 @ w2.T
        s2 = (u2 >= 1).astype(float)
        v1, v2 = u1 - s1, u2 - s2
        fired.append(s2.mean())
        rows.append(s2 @ w3.T)
    assert 0 < np.mean(fired) < 1
    np.testing.assert_allclose(net(x_TBCHW).detach().numpy(), np.stack(rows), rtol=1e-9, atol=1e-12)


def test_the_network_of_the_paper_has_its_sizes_and_rows():
    net = hlop.build(hlop.PMNIST)
    assert sum(p.numel() for p in net.parameters()) == 784 * 800 + 800 * 800 + 800 * 10
    assert (hlop.PMNIST.num_tasks, hlop.PMNIST.num_steps, hlop.PMNIST.batch_size) == (10, 20, 64)
    assert [layer.subspace.capacity for layer in guarded(net).values()] == [80 + 390, 200 + 390, 100 + 390]
    assert [hlop.PMNIST.added(0, number) for number in range(10)] == [80, 70, 70, 50, 50, 50, 30, 30, 30, 10]
    assert [layer.subspace.lr for layer in guarded(net).values()] == [0.001, 0.01, 0.01]


@pytest.mark.parametrize(("name", "rule"), [("bptt", BPTT()), ("sltt", SLTT()), ("ottt", OTTT())])
def test_an_option_chooses_the_rule_and_another_whether_it_is_guarded(name, rule):
    for guards, expected in ((True, HLOP(rule=rule)), (False, rule)):
        config = replace(TINY, rule=name, hlop=guards)
        assert hlop._rule(config) == expected
        assert len(guarded(hlop.build(config))) == (3 if guards else 0)


def test_guarding_draws_no_other_weights():
    weights = [dict(hlop.build(replace(TINY, hlop=guards)).named_parameters()) for guards in (True, False)]
    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_own_classifiers_are_free_and_learn_their_own_classes_only():
    net = hlop.build(SPLIT)
    assert list(guarded(net)) == ["linear1", "linear2"]
    trainers = hlop._trainers(SPLIT, net)
    assert [(t.loss.start, t.loss.stop) for t in trainers] == [(0, 5), (5, 10)]
    assert isinstance(trainers[0].loss, Among)
    labels = [set(t.train.samples.labels.tolist()) for t in trainers]
    assert labels == [{0, 1, 2, 3, 4}] * 2
    assert not np.array_equal(trainers[0].train.samples.images, trainers[1].train.samples.images)
    assert hlop.build(replace(TINY, head="own", rows=(8, 5), more=(6, 3)))["readout"].out_features == 20


@pytest.mark.parametrize("back", ["random", "sign"])
def test_errors_may_go_back_through_other_weights_in_all_layers_but_the_first(back):
    net = hlop.build(replace(CONVOLUTIONS, back=back))
    kinds = {name: type(layer) for name, layer in net.named_children() if isinstance(layer, nn.Linear | nn.Conv2d)}
    assert kinds["conv1"] is nn.Conv2d
    assert kinds["conv2"] is AlignedConv2d
    assert kinds["linear1"] is kinds["readout"] is AlignedLinear


@pytest.mark.parametrize("config", [TINY, SPLIT, CONVOLUTIONS, replace(TINY, rule="ottt", back="random", levels=40)])
def test_measuring_twice_gives_the_same(config):
    first, again = (hlop.measure(config, 0, lambda fraction, words: None) for _ in range(2))
    assert first == again
    assert 0 < first["rate"] < 1
    assert 0 <= first["average"] <= 1


def test_variants_differ_from_the_config_by_what_they_are_named_for_and_are_guarded_as_it_is():
    for guards in (True, False):
        config = replace(TINY, hlop=guards, beside=hlop.VARIANTS, seed=3)
        alone = replace(config, beside=())
        found = {name: hlop.variant(config, name) for name in hlop.VARIANTS}
        assert found["sltt"] == replace(alone, rule="sltt")
        assert found["ottt"] == replace(alone, rule="ottt")
        assert found["random"] == replace(alone, back="random")
        assert found["split_mnist"] == replace(hlop.SPLIT_MNIST, hlop=guards, seed=3)
        assert found["split_cifar10"] == replace(hlop.SPLIT_CIFAR10, hlop=guards, seed=3)


def test_what_is_measured_beside_is_what_it_would_be_alone():
    together = hlop.measure(replace(TINY, beside=("ottt", "random")), 0, lambda fraction, words: None)
    for name, config in {
        "": TINY,
        "_ottt": replace(TINY, rule="ottt"),
        "_random": replace(TINY, back="random"),
    }.items():
        alone = hlop.measure(config, 0, lambda fraction, words: None)
        for figure in ("average", "backward", "forgetting", "forward", "later"):
            assert together[f"{figure}{name}"] == alone[figure]
    assert together["average"] != together["average_random"]


def test_the_claim_fails_if_any_variant_forgets_or_does_not_learn():
    passes = hlop.SYSTEM.claim.passes
    good = {f"{figure}{end}": value for end in hlop.LEAST for figure, value in (("backward", -0.01), ("later", 1.0))}
    assert passes(good)
    for end in hlop.LEAST:
        assert not passes(good | {f"backward{end}": -0.1})
        assert not passes(good | {f"later{end}": 0.5})


def test_what_the_first_task_froze_stays_to_the_last_bit_and_so_does_what_the_network_says_in_it():
    config = replace(TINY, num_tasks=1)
    net = hlop.build(replace(TINY, num_tasks=2))
    first = hlop._trainers(config, net)
    hlop._learn(TINY, first, quiet, None)
    layer = net["linear1"]
    rows, weight = layer.subspace.lateral[:8].clone(), layer.weight.detach().clone()
    trainers = hlop._trainers(TINY, net)
    for subspace, more in zip((one.subspace for one in guarded(net).values()), TINY.more, strict=True):
        subspace.grow(more, torch.Generator().manual_seed(0))
    trainers[1].fit()
    assert torch.equal(layer.subspace.lateral[:8], rows)
    assert (layer.weight - weight).abs().max() > 1e-3
    moved = (layer.weight - weight).detach()
    kept = moved @ torch.linalg.qr(rows.T)[0]
    # The rows are orthonormal to within what they learned in four batches.
    assert kept.norm() < 0.05 * moved.norm()


def test_a_sequence_leaves_results_and_weights_that_can_be_streamed(tmp_path):
    run = Run.create(tmp_path / "run", name="hlop", config={})
    assert hlop.train(TINY, run.folder, quiet) == ""
    assert "HLOP with BPTT on permuted pictures of N-MNIST" in Results.read(run.folder / "results.json").title
    assert [row["test_accuracy"] for row in run.metrics()[:2]] == pytest.approx(
        [run.metrics()[0]["accuracy_1"], np.mean([run.metrics()[1][f"accuracy_{k}"] for k in (1, 2)])]
    )
    tree = run.newest().checkpoint.tree["net"]
    assert int(tree["linear1.subspace.num_frozen"]) == 14
    net = hlop.build(TINY).eval()
    net.load_state_dict(tree)
    x = torch.rand(4, 2, 2, 8, 8)
    stream = Stream(net, batch=2)
    torch.testing.assert_close(torch.stack([stream(frame) for frame in x]), net(x))


def test_a_sequence_that_was_stopped_in_its_second_task_goes_on_to_the_same_bits(tmp_path):
    whole, cut = (Run.create(tmp_path / name, name="hlop", config={}) for name in ("whole", "cut"))

    def stop(fraction, words, /, **figures):
        if fraction > 0.7:
            raise RuntimeError("enough")

    hlop.train(TINY, whole.folder, quiet)
    with pytest.raises(RuntimeError):
        hlop.train(TINY, cut.folder, stop)
    assert not cut.finished
    hlop.train(TINY, cut.folder, quiet)
    one, other = (run.newest().checkpoint.tree["net"] for run in (whole, cut))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch, by itself
@pytest.mark.parametrize("back", ["weights", "random"])
def test_it_compiles_to_one_graph(back):
    net = hlop.build(replace(CONVOLUTIONS, back=back)).eval()
    x = torch.rand(3, 2, 2, 8, 8)
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), net(x))


def test_options_round_trip_and_can_be_set():
    named = (hlop.Config(), hlop.SMALL, hlop.PMNIST, hlop.CIFAR, hlop.SPLIT_MNIST, hlop.SPLIT_CIFAR10)
    for config in named:
        assert from_plain(hlop.Config(), to_plain(config)) == config
    changed = override(hlop.Config(), ["train.epochs=3", "rule=ottt", "hidden=[50]", "rows=[9, 9]", "more=[3, 3]"])
    assert (changed.train.epochs, changed.rule, changed.hidden) == (3, "ottt", (50,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_tasks": 0}, "hlop: num_tasks: expected at least 1, got 0."),
        ({"tasks": "split"}, "hlop: num_tasks: expected a number that divides 10 classes, got 3."),
        ({"tau": 0.5}, "hlop: tau: expected a time constant >= 1 step, got 0.5."),
        ({"fewer": -1}, "hlop: fewer: expected at least 0, got -1."),
        ({"rows": (3, 3)}, "hlop: rows: expected one number for each of 3 guarded layers, got (3, 3)."),
        ({"more": (3,)}, "hlop: more: expected one number for each of 3 guarded layers, got (3,)."),
        ({"train": Train()}, "hlop: train.optimiser: expected SGD without weight decay, got AdamW("),
        ({"train": Train(optimiser=SGD(weight_decay=0.1))}, "expected SGD without weight decay, got SGD("),
    ],
)
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        replace(hlop.Config(), **changes)
    assert message in str(caught.value)


def test_the_control_differs_from_the_claim_by_the_mechanism_only():
    claim = hlop.SYSTEM.claim
    assert replace(claim.control, hlop=True) == claim.config
    assert replace(claim.fast.control, hlop=True) == claim.fast.config
