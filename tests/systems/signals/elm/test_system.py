"""Letters: T time, B batch, C channels, K sums."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ranvier.core.errors import ConfigError
from ranvier.data.audio import Sound
from ranvier.data.loader import Encoded
from ranvier.data.sets.pack import ImageSet
from ranvier.nn import ELM
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import override
from ranvier.systems.signals.elm import config as configs
from ranvier.systems.signals.elm import system, tasks
from ranvier.train import Train

TINY = replace(
    system.FAST, channels=4, steps=5, memory=3, num_digits=20, num_train=20, num_test=10, train=Train(epochs=1)
)


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def test_the_lstm_has_as_many_parameters_but_for_less_than_a_unit():
    for config in (TINY, configs.Config(), configs.SPOKEN, configs.PIXELS):
        elm, lstm = (system.num_parameters(system.build(replace(config, net=net))) for net in ("elm", "lstm"))
        hidden = system.build(replace(config, net="lstm")).get_submodule("lstm.lstm").hidden_size
        outputs = 10 if config.task == "mnist" else 19
        more = 4 * (hidden + 1) * (config.inputs + hidden + 3) + (hidden + 2) * outputs
        assert lstm <= elm < more


def test_held_out_pairs_share_the_motifs_and_nothing_else():
    clean = {"loss": 0.0, "noise": 0.0}
    train, test = (tasks._motifs(TINY, split) for split in ("train", "test"))
    assert any(not torch.equal(train[i][0], test[i][0]) for i in range(20))
    patterns = [tasks.Motifs(num=10, steps=5, channels=4, part=part, **clean)[3][0] for part in ("train", "test")]
    assert torch.equal(*patterns)


def test_the_control_differs_in_its_longest_time_constant_alone():
    control = configs.control(system.FAST)
    assert control.leaks.tau_max == 20
    assert replace(control, leaks=system.FAST.leaks) == system.FAST


def test_spikes_of_the_cochlea_follow_loudness():
    encode = tasks.cochlea_spikes(replace(configs.Config(), channels=8, steps=20, dt=10.0))
    t = np.arange(1600) / 8000
    tone = np.where(t < 0.1, 0.5 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
    spikes = encode(Sound(tone, 8000))
    assert spikes.shape == (20, 8)
    assert spikes[:10].sum() > 3 * spikes[12:].sum()
    assert (spikes >= 0).all()
    assert torch.equal(spikes, spikes.round())
    assert spikes.mean().item() == pytest.approx(0.5, abs=0.1)
    assert encode(Sound(np.zeros(100, np.float32), 8000)).sum() == 0


def test_digits_come_pixel_by_pixel_row_by_row(monkeypatch):
    images = np.zeros((3, 1, 28, 28), np.uint8)
    images[:, 0, 2:4, 6:8] = [[0, 255], [255, 255]]  # one of the 14 x 14 pixels: row 1, column 3
    found = ImageSet(images, np.array([7, 7, 7]), configs.CLASSES)
    monkeypatch.setattr(tasks.mnist, "load", lambda split: found)
    config = replace(configs.PIXELS, num_train=2, num_test=9)
    shown = tasks.samples(config, "train")
    assert (len(shown), len(tasks.samples(config, "test"))) == (2, 3)
    pixels, label = shown[0]
    assert label == 7
    assert pixels.shape == (196, 1)
    assert pixels.nonzero()[:, 0].tolist() == [14 + 3]
    assert pixels[17].item() == pytest.approx(0.75)
    assert system.build(config)(pixels.unsqueeze(1)).shape == (196, 1, 10)


def test_further_tasks_are_learned_with_memory_units_no_slower_than_the_first(monkeypatch):
    digits = Encoded([torch.full((5, 4), float(k)) for k in range(10)], list(range(10)))
    monkeypatch.setattr(tasks.fsdd, "load", lambda split: digits)
    monkeypatch.setattr(tasks, "cochlea_spikes", lambda config: lambda sample: sample)
    spoken = replace(configs.SPOKEN, channels=4, steps=5, num_train=20, num_test=10, memory=3, train=Train(epochs=1))
    monkeypatch.setitem(configs.FURTHER, "fsdd", spoken)
    config = replace(TINY, further=("fsdd",), compare=True)
    assert system.further(config, "fsdd").leaks == spoken.leaks
    assert system.further(configs.control(config), "fsdd").leaks == replace(spoken.leaks, tau_max=20.0)
    assert system.further(replace(config, seed=4), "fsdd").seed == 4
    found = dict(system.measure(config, 3, quiet))
    assert {"fsdd", "fsdd_lstm", "lstm"} < set(found)
    assert set(system.measure(configs.control(config), 3, quiet)) == set(found) - {
        "fsdd_lstm",
        "lstm",
        "lstm_parameters",
    }


def test_the_lstm_learns_by_its_own_recipe():
    own = Train(epochs=3)
    other = system.rival(replace(TINY, rival=own))
    assert (other.net, other.train, other.task) == ("lstm", own, TINY.task)


def test_inputs_are_dropped_while_learning_and_only_then():
    net = system.build(replace(TINY, dropout=0.5))
    heard = []
    net.get_submodule("elm").register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    x = torch.ones(5, 40, 4)
    net.train()(x)
    net.eval()(x)
    assert (heard[0] == 0).float().mean().item() == pytest.approx(0.5, abs=0.08)
    assert torch.equal(heard[1], x)


def test_energy_of_a_step_worked_out_by_hand():
    # 2 inputs, 1 unit: hidden 2 x 3, update 1 x 2, read-out 19 x 1, traces 2, leak and update 2: 31 a step.
    net = ELM(2, 19, memory=1)
    x = torch.zeros(4, 2, 2)
    x[0] = 1  # two spikes a sample
    assert system._energy_nj(net, x) == pytest.approx((4 * 31 * 4.6 + 2 * 0.9) / 1000)


@pytest.mark.parametrize("net", ["elm", "lstm"])
def test_both_networks_train(net):
    trainer = system._trainer(replace(TINY, net=net, dropout=0.2))
    before = [p.detach().clone() for p in trainer.net.parameters()]
    assert trainer.fit().state == "finished"
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.net.parameters(), strict=True))


def test_a_run_leaves_results_and_a_network_that_saves_loads_and_streams(tmp_path):
    assert system.train(TINY, Run.create(tmp_path / "run", name="elm-neuron", config={}).folder, quiet) == ""
    assert Results.read(tmp_path / "run" / "results.json").title.startswith("Expressive leaky memory")
    net, other = system.build(TINY).eval(), system.build(replace(TINY, seed=1)).eval()
    x = (torch.rand(6, 2, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(net(x), other(x))
    stream = net.stream(batch=2)
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), net(x), rtol=1e-5, atol=1e-6)


def test_it_compiles_without_a_graph_break():
    net = system.build(TINY).eval()
    x = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(x), net(x))


def test_measuring_twice_gives_the_same():
    config = replace(TINY, compare=True)
    first, second = (dict(system.measure(config, 3, quiet)) for _ in range(2))
    assert first == second
    assert set(first) == {"accuracy", "parameters", "rate", "energy_nj", "lstm", "lstm_parameters"}


def test_options_reach_their_parts():
    config = override(configs.Config(), ["leaks.tau_max=80", "fit.dendrite.rate=5", "train.epochs=2", "net=lstm"])
    assert (config.leaks.tau_max, config.fit.dendrite.rate, config.train.epochs, config.net) == (80, 5, 2, "lstm")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("digits=11", "2 to 10, got 11"),
        ("memory=0", "at least 1"),
        ("dt=0", "a time > 0 ms"),
        ("dropout=1", "a share in"),
        ("further=[motifs]", "of fsdd, mnist, shd, got 'motifs'"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, text):
    with pytest.raises(ConfigError, match=text):
        override(configs.Config(), [option])
