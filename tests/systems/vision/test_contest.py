from dataclasses import replace

import pytest

from ranvier import systems
from ranvier.core.errors import ConfigError
from ranvier.systems.vision.contest import Contest, Score, best, compete
from ranvier.systems.vision.images import Images
from ranvier.train import Train

TINY = Contest(
    task=Images(source="nmnist", limit=10, test_limit=10, steps=1, shrink=4, batch_size=10), train=Train(epochs=1),
    seeds=(0, 1),
)  # fmt: skip


def score(accuracy, energy):
    return Score(parameters=1, measured=({"accuracy": accuracy, "energy_nj": energy},))


def test_the_best_are_those_whom_no_other_beats_in_both():
    scores = {"a": score(0.9, 50.0), "b": score(0.8, 20.0), "c": score(0.8, 30.0), "d": score(0.7, 40.0)}
    assert best(scores) == ("a", "b")
    assert best({"a": score(0.5, 1.0), "b": score(0.5, 1.0)}) == ("a", "b")


def test_the_mean_is_over_the_seeds():
    pair = Score(parameters=1, measured=({"accuracy": 0.5}, {"accuracy": 0.75}))
    assert pair.mean("accuracy") == 0.625


@pytest.mark.parametrize("name", ["max-former", "meta-spikeformer", "spikformer", "spikformer-v2"])
def test_every_vision_transformer_takes_the_task_and_recipe_of_a_contest(name):
    system = systems.load(name)
    config = system.classifier(TINY.task, TINY.train)
    assert TINY.task in (getattr(config, field) for field in config.__slots__)
    assert config.train == TINY.train


@pytest.mark.parametrize("name", ["spikformer", "spikformer-v2"])
def test_a_system_is_trained_by_the_recipe_of_the_contest_from_each_seed(name):
    system, told = systems.load(name), []
    found = compete(system, TINY, lambda fraction, words: told.append((fraction, words)))
    config = system.classifier(TINY.task, TINY.train)
    assert config.task == TINY.task
    assert config.train == TINY.train
    alone = system.claim.measure(config, 1, lambda fraction, words: None)
    assert found.measured[1] == alone
    assert found.measured[0] != found.measured[1]
    assert found.parameters == sum(p.numel() for p in system.build(config).parameters())
    assert f"{name}, seed 0" in told[0][1]
    assert all(0 <= fraction <= 1 for fraction, _ in told)


def test_a_system_that_learns_no_images_and_a_contest_without_seeds_are_refused():
    with pytest.raises(
        ConfigError, match=r"contest: expected systems that learn sets of images, got 'spikformer', which"
    ):
        compete(replace(systems.load("spikformer"), classifier=None), TINY, lambda fraction, words: None)
    with pytest.raises(ConfigError, match=r"contest: seeds: expected at least one, got none"):
        Contest(seeds=())
