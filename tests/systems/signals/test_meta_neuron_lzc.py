"""Letters: T time, B batch, N inputs, K classes."""

from dataclasses import replace

import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.report import Results
from ranvier.rules import BPTT, STDP
from ranvier.runs import Run
from ranvier.systems.config import override
from ranvier.systems.signals import meta_neuron_lzc as system
from ranvier.train import Train
from ranvier.train.losses import RateCrossEntropy, TempotronLoss

TINY = replace(
    system.Config(), compare=False, inputs=4, steps=30, hidden=5, num_train=20, num_test=20, train=Train(epochs=1)
)


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def test_the_memory_task_has_equal_rates_and_unequal_order():
    samples, labels = system._sources("memory", replace(TINY, steps=400, num_train=400), "train")
    zero, one = samples[:, labels == 0], samples[:, labels == 1]
    assert zero.mean().item() == pytest.approx(0.1, abs=0.005)
    assert one.mean().item() == pytest.approx(0.1, abs=0.005)
    # P(fires | fired the step before): 1 - p_stop.
    again = [((x[1:] * x[:-1]).sum() / x[:-1].sum()).item() for x in (zero, one)]
    assert again == pytest.approx([0.55, 0.1], abs=0.02)


def test_held_out_trains_are_others_and_the_seed_decides_them():
    one = system._sources("rates", TINY, "train")[0]
    assert torch.equal(one, system._sources("rates", TINY, "train")[0])
    assert not torch.equal(one, system._sources("rates", TINY, "test")[0])
    assert not torch.equal(one, system._sources("rates", replace(TINY, seed=1), "train")[0])


def test_relays_repeat_their_input_so_that_only_the_head_decides(monkeypatch):
    seen = {}
    monkeypatch.setattr(system, "normalised_lempel_ziv", lambda x: seen.setdefault("spikes", x).sum(0).double())
    system.relay_accuracy(TINY, "lzc")
    assert torch.equal(seen["spikes"], system._sources("memory", TINY, "train")[0])


def test_complexity_tells_apart_what_counts_cannot():
    config = replace(TINY, steps=100, inputs=20, num_train=400, num_test=400)
    assert system.relay_accuracy(config, "lzc") > 0.9
    assert 0.35 < system.relay_accuracy(config, "count") < 0.65


def test_the_heads_are_judged_on_trains_that_gave_no_means(monkeypatch):
    config, sources = replace(TINY, steps=100, inputs=20, num_train=100, num_test=100), system._sources

    def swapped(task, config, split):
        trains, labels = sources(task, config, split)
        return trains, 1 - labels if split == "test" else labels

    assert system.relay_accuracy(config, "lzc") > 0.8
    monkeypatch.setattr(system, "_sources", swapped)
    assert system.relay_accuracy(config, "lzc") < 0.2


def test_each_rule_is_the_one_that_is_named():
    kinds = {"bptt": (BPTT, RateCrossEntropy), "stdp": (STDP, RateCrossEntropy), "tempotron": (BPTT, TempotronLoss)}
    for rule, (kind, loss) in kinds.items():
        trainer = system._trainer(replace(TINY, rule=rule))
        assert type(trainer.rule) is kind
        assert type(trainer.loss) is loss
    config = replace(TINY, rule="stdp", train=system.RECIPES["stdp"])
    trainer = system._trainer(replace(config, train=replace(config.train, epochs=2)))
    trainer.fit()
    hidden = trainer.net.get_submodule("hidden").weight
    assert 0 <= hidden.min() <= hidden.max() <= 1  # what STDP may reach; by gradients they would go below


@pytest.mark.parametrize(("neuron", "learned"), [("lif", 2), ("meta", 4)])
def test_constants_are_learned_only_if_asked(neuron, learned):
    parameters = [
        {name for name, _ in system.build(replace(TINY, neuron=neuron, learn=learn)).named_parameters()}
        for learn in (True, False)
    ]
    assert len(parameters[0] - parameters[1]) == learned
    assert all(name.startswith("neurons.") for name in parameters[0] - parameters[1])


@pytest.mark.parametrize("rule", ["bptt", "stdp", "tempotron"])
@pytest.mark.parametrize("task", ["rates", "digits"])
def test_every_rule_trains_on_trains_and_recordings(rule, task):
    config = replace(TINY, task=task, rule=rule, train=replace(system.RECIPES[rule], epochs=1))
    trainer = system._trainer(config)
    before = [p.detach().clone() for p in trainer.net.parameters()]
    outcome = trainer.fit()
    assert outcome.state == "finished"
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.net.parameters(), strict=True))


def test_a_run_leaves_results_and_a_network_that_streams(tmp_path):
    assert system.train(TINY, Run.create(tmp_path / "run", name="meta-neuron-lzc", config={}).folder, quiet) == ""
    assert Results.read(tmp_path / "run" / "results.json").title == "Learned neurons on memory"
    net = system.build(TINY).eval()
    x = (torch.rand(6, 2, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    stream = net.stream(batch=2)
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), net(x))


def test_measuring_twice_gives_the_same():
    first, second = (dict(system.measure(TINY, 3, quiet)) for _ in range(2))
    assert first == second
    assert set(first) == {"accuracy", "rate", "tau", "lzc", "count", "energy_nj"}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("num_train=3", "an even number >= 2, got 3"),
        ("tau=1", "more than one step, got 1.0"),
        ("hidden=0", "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, text):
    with pytest.raises(ConfigError, match=text):
        override(system.Config(), [option])
