"""Letters: T time, B batch, C channels, K sums."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ranvier.core.errors import ConfigError
from ranvier.data.audio import Sound
from ranvier.nn import ELM
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.systems.config import override
from ranvier.systems.signals.elm import system
from ranvier.train import Train

TINY = replace(
    system.FAST, channels=4, steps=5, memory=3, num_digits=20, num_train=20, num_test=10, train=Train(epochs=1)
)


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def test_the_lstm_has_as_many_parameters_but_for_less_than_a_unit():
    for config in (TINY, system.Config(), system.SPOKEN):
        elm, lstm = (system.num_parameters(system.build(replace(config, net=net))) for net in ("elm", "lstm"))
        hidden = system.build(replace(config, net="lstm")).get_submodule("lstm.lstm").hidden_size
        more = 4 * (hidden + 1) * (config.inputs + hidden + 3) + (hidden + 2) * 19
        assert lstm <= elm < more


def test_held_out_pairs_share_the_motifs_and_nothing_else():
    clean = {"loss": 0.0, "noise": 0.0}
    train, test = (system._motifs(TINY, split) for split in ("train", "test"))
    assert any(not torch.equal(train[i][0], test[i][0]) for i in range(20))
    patterns = [system.Motifs(num=10, steps=5, channels=4, part=part, **clean)[3][0] for part in ("train", "test")]
    assert torch.equal(*patterns)


def test_the_control_differs_in_its_longest_time_constant_alone():
    control = system.control(system.FAST)
    assert control.leaks.tau_max == 20
    assert replace(control, leaks=system.FAST.leaks) == system.FAST


def test_spikes_of_the_cochlea_follow_loudness():
    encode = system.cochlea_spikes(replace(system.Config(), channels=8, steps=20, dt=10.0))
    t = np.arange(1600) / 8000
    tone = np.where(t < 0.1, 0.5 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
    spikes = encode(Sound(tone, 8000))
    assert spikes.shape == (20, 8)
    assert spikes[:10].sum() > 3 * spikes[12:].sum()
    assert (spikes >= 0).all()
    assert torch.equal(spikes, spikes.round())
    assert spikes.mean().item() == pytest.approx(0.5, abs=0.1)
    assert encode(Sound(np.zeros(100, np.float32), 8000)).sum() == 0


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
    config = override(system.Config(), ["leaks.tau_max=80", "fit.dendrite.rate=5", "train.epochs=2", "net=lstm"])
    assert (config.leaks.tau_max, config.fit.dendrite.rate, config.train.epochs, config.net) == (80, 5, 2, "lstm")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("digits=11", "2 to 10, got 11"),
        ("memory=0", "at least 1"),
        ("dt=0", "a time > 0 ms"),
        ("dropout=1", "a share in"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, text):
    with pytest.raises(ConfigError, match=text):
        override(system.Config(), [option])
