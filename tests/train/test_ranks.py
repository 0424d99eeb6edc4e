import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ranvier.core.errors import ConfigError
from ranvier.rules import OTTT
from ranvier.runs import Run
from ranvier.train import Ranks, joined

SIZES = {
    "uneven shares": (7, {"accumulate": 2}),
    "fewer samples than ranks": (1, {}),
    "updates within a batch": (3, {"rule": OTTT(update="step")}),
    "and fewer samples than ranks": (1, {"rule": OTTT(update="step")}),
    "average": (4, {"ema": 0.8, "clip": 0.1}),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What two processes saw that torchrun started."""
    folder = tmp_path_factory.mktemp("ranks")
    program = Path(__file__).with_name("two_ranks.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", program, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("name", SIZES)
def test_two_ranks_train_the_weights_that_one_process_trains_on_the_joint_batches(seen, make, name):
    _, (first, second) = seen
    size, settings = SIZES[name]
    trainer = make.trainer(make.net(dropout=0.0, norm=False), epochs=2, train=make.blobs(size=size), **settings)
    start = {key: tensor.clone() for key, tensor in trainer.net.state_dict().items()}
    trainer.fit()
    for key, tensor in trainer.net.state_dict().items():
        assert first[name][key] == second[name][key]
        np.testing.assert_allclose(first[name][key], tensor.double().flatten(), rtol=0, atol=1e-6)
        assert not torch.equal(tensor, start[key]), key


def test_rank_0_alone_writes_and_both_resume(seen, make):
    folder, (first, second) = seen
    run = Run.open(folder / "run")
    assert [row["step"] for row in run.metrics() if "loss" in row] == list(range(1, 13))
    assert run.newest().checkpoint.step == 12
    assert first["resumed"] == second["resumed"] == first["average"]


def test_a_loss_that_is_not_finite_on_one_rank_stops_all(seen):
    _, both = seen
    for one in both:
        assert one["error"].startswith("training step 1: expected a finite loss and gradient, got loss")


def test_running_statistics_are_those_of_rank_0_everywhere(seen):
    _, (first, second) = seen
    assert first["norm"] == second["norm"]
    assert np.any(first["norm"])


def test_what_holds_on_one_rank_holds_on_any(seen):
    _, both = seen
    for one in both:
        assert one["any"] == [True, False]
        assert one["world"] == 2


def test_alone_there_is_one_rank_and_nothing_is_sent():
    ranks = Ranks.here()
    assert (ranks.rank, ranks.world, ranks.first) == (0, 1, True)
    x, y = torch.ones(2, 3), torch.ones(3)
    assert ranks.share(x, y) == (x, y)
    ranks.add_up([x])
    ranks.follow([x])
    ranks.wait()
    assert torch.equal(x, torch.ones(2, 3))
    assert ranks.any(True)
    assert not ranks.any(False)


def test_shares_are_every_other_sample_and_together_the_batch():
    x_TB, y_B = torch.arange(10).reshape(2, 5), torch.arange(5)
    shares = [Ranks(rank=rank, world=2).share(x_TB, y_B) for rank in range(2)]
    assert [y.tolist() for _, y in shares] == [[0, 2, 4], [1, 3]]
    assert [x[0].tolist() for x, _ in shares] == [[0, 2, 4], [1, 3]]


def test_without_torchrun_joining_is_being_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as ranks:
        assert ranks == Ranks()


def test_an_environment_that_is_incomplete_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with (
        pytest.raises(ConfigError, match=r"^environment variable RANK: expected set, .* Start with torchrun"),
        joined(),
    ):
        pass


@pytest.mark.parametrize("world", [1, 2])
def test_a_group_of_this_process_alone_is_joined_and_left(monkeypatch, world):
    """The transfers themselves, in a group of one that believes in ``world`` ranks."""
    for name, value in {"WORLD_SIZE": "1", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    with joined() as ranks:
        assert ranks == Ranks()
        several = Ranks(rank=0, world=world)
        a, b = torch.ones(2, 3), torch.ones(4, dtype=torch.float64)
        several.add_up([a, b])
        several.follow([a])
        several.wait()
        assert several.any(True)
        assert torch.equal(a, torch.ones(2, 3))
    assert not torch.distributed.is_initialized()
