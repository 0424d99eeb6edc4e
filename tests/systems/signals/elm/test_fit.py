"""Copies of neurons: targets, burn-in, and what is judged."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.data.sets import neural_intracellular
from ranvier.systems.signals.elm import fit as copies
from ranvier.systems.signals.elm.fit import Fit, Windows

TINY = Fit(memories=(2,), windows=6, steps=30, burn_in=5, epochs=1, batch_size=3, clamp=False)


def quiet(fraction, words):
    del fraction, words


def test_a_copy_of_a_linear_neuron_is_almost_perfect():
    draw = torch.Generator().manual_seed(0)
    x = (torch.rand(60, 80, 4, generator=draw) < 0.2).float()
    v, seen = torch.zeros(80), []
    for now in x:
        v = 0.9 * v + now.sum(1)
        seen.append(v)
    potential = torch.stack(seen)
    recorded = [
        Windows(x[:, part], (potential[:, part] > 8).float(), potential[:, part]) for part in (slice(60), slice(60, 80))
    ]
    config = replace(TINY, memories=(4,), epochs=40, batch_size=20, burn_in=0)
    net = copies._net(4, 4, config, 0)
    copies.fit(net, recorded[0], config, seed=0, epochs=40)
    auc, r2 = copies.judge(net, recorded, 0)
    assert auc > 0.95
    assert r2 > 0.9


def test_copies_are_judged_on_windows_that_were_held_out():
    draw = torch.Generator().manual_seed(0)
    known = Windows(*(torch.rand(s, generator=draw).round() for s in ((30, 6, 3), (30, 6), (30, 6))))
    net = copies._net(3, 2, TINY, 0)
    with torch.no_grad():
        y = net(known.inputs_TBX)
    said = known._replace(spikes_TB=(y[..., 0] > y[..., 0].median()).float())
    opposite = said._replace(spikes_TB=1 - said.spikes_TB)
    assert copies.judge(net, [opposite, said], 0)[0] == 1
    assert copies.judge(net, [said, opposite], 0)[0] == 0


def test_the_burn_in_is_neither_learned_nor_judged():
    draw = torch.Generator().manual_seed(0)
    windows = Windows(*(torch.rand(s, generator=draw).round() for s in ((30, 6, 3), (30, 6), (30, 6))))
    spoiled = windows._replace(v_TB=windows.v_TB.clone(), spikes_TB=windows.spikes_TB.clone())
    spoiled.v_TB[:5], spoiled.spikes_TB[:5] = 1e9, 1
    results = []
    for given in (windows, spoiled):
        net = copies._net(3, 2, TINY, 0)
        copies.fit(net, given, TINY, seed=0, epochs=1)
        results.append(copies.judge(net, [given, given], 5))
    assert results[0] == results[1]


def test_measuring_twice_gives_the_same():
    first, second = (copies.measure(TINY, 1, quiet) for _ in range(2))
    assert str(first) == str(second)  # an area may be NaN where nothing fired
    assert set(first) == {"auc_2", "r2_2"}


def test_current_and_potential_become_windows_of_a_ms_each(monkeypatch):
    v = np.full((2, 40), -70, np.float32)
    v[1, 22:24] = 30.0  # one spike that crosses 0 mV in ms 1 and stays up
    current = np.zeros((2, 40), np.float32)
    current[0, :20], current[1, :10] = 200.0, -100.0
    monkeypatch.setattr(neural_intracellular, "load", lambda cell: neural_intracellular.Sweeps(v, current, 0.05))
    found = copies.clamped(slice(0, None, 1))
    assert found.inputs_TBX.shape == (2, 2, 2)
    assert found.inputs_TBX[:, 0].tolist() == [[2.0, 0.0], [0.0, 0.0]]
    assert found.inputs_TBX[:, 1].tolist() == [[0.0, -0.5], [0.0, 0.0]]
    assert found.spikes_TB.tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert found.v_TB[1].tolist() == pytest.approx([-70.0, (18 * -70 + 2 * -30) / 20])


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match=r"^elm-neuron: fit\.burn_in: expected less than the 30 steps of a window"):
        replace(TINY, burn_in=30)
    with pytest.raises(
        ConfigError, match=r"^elm-neuron: fit\.memories: expected at least one number >= 1, got \(\)\.$"
    ):
        replace(TINY, memories=())
    with pytest.raises(ConfigError, match=r"^elm-neuron: fit\.epochs: expected at least 1, got 0\.$"):
        replace(TINY, epochs=0)
    with pytest.raises(ConfigError, match=r"^elm-neuron: fit\.lr: expected a rate > 0, got 0\.$"):
        replace(TINY, lr=0)
