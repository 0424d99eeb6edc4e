"""The harness on toy tasks. Letters: J tasks learned, K tasks judged."""

import numpy as np
import pytest
import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.data.loader import Encoded, Loader, same
from ranvier.nn import Sequential
from ranvier.rules import BPTT
from ranvier.systems.continual import learn
from ranvier.train import SGD, Constant, Train, Trainer
from ranvier.train.losses import RateCrossEntropy


def quiet(fraction, words, /, **figures):
    del fraction, words, figures


def build():
    net = Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2))
    return net


def tasks(net, **changes):
    """Make two tasks that contradict each other: which of two inputs is on, and which is off."""
    x = [torch.eye(2)[i % 2].expand(3, 2) for i in range(8)]
    found = []
    for number in range(2):
        loader = Loader(samples=Encoded(x, [(i + number) % 2 for i in range(8)]), encode=same, batch_size=4)
        config = Train(epochs=4, optimiser=SGD(lr=1.0, momentum=0.0), schedule=Constant())
        options = {"net": net, "rule": BPTT(), "loss": RateCrossEntropy(), "train": loader, "test": loader}
        found.append(Trainer(**{**options, "config": config, **changes}))
    return found


def nothing(number):
    del number


def test_tasks_that_contradict_each_other_are_learned_and_forgotten_in_full():
    found = learn(tasks(build()), begin=nothing, end=nothing, watch=quiet)
    np.testing.assert_array_equal(found.accuracy_JK, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(found.untrained_K, [1, 0])
    assert (found.average, found.backward, found.forward) == (0.5, -1.0, 0.0)


def test_it_is_told_before_and_after_each_task_and_how_far_all_are():
    calls, told = [], []
    learn(
        tasks(build()),
        begin=lambda number: calls.append(("begin", number)),
        end=lambda number: calls.append(("end", number)),
        watch=lambda fraction, words, /, **figures: told.append((fraction, words)),
    )
    assert calls == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert told[0][1].startswith("task 1 of 2: ")
    assert told[-1][1].startswith("task 2 of 2: ")


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_a_sequence_that_was_stopped_goes_on_to_the_same_bits(tmp_path, at):
    whole, cut, resumed = build(), build(), build()
    expected = learn(tasks(whole), begin=nothing, end=nothing, watch=quiet, folder=tmp_path / "whole")

    def stop(fraction, words, /, **figures):
        if fraction >= at:
            raise RuntimeError("enough")

    folder = tmp_path / "cut"
    with pytest.raises(RuntimeError):
        learn(tasks(cut), begin=nothing, end=nothing, watch=stop, folder=folder)
    found = learn(tasks(resumed), begin=nothing, end=nothing, watch=quiet, folder=folder)
    assert torch.equal(whole[0].weight, resumed[0].weight)
    np.testing.assert_array_equal(found.accuracy_JK, expected.accuracy_JK)


def test_several_networks_or_no_held_out_data_are_refused():
    with pytest.raises(ConfigError) as caught:
        learn([*tasks(build()), *tasks(build())], begin=nothing, end=nothing, watch=quiet)
    assert "learn: expected trainers of one network, got 2 networks." in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        learn(tasks(build(), test=None), begin=nothing, end=nothing, watch=quiet)
    assert "learn: expected held-out data of each task, got a trainer without." in str(caught.value)
