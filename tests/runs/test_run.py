import errno
import json
import os
from dataclasses import dataclass

import pytest
import torch

from ranvier.core.errors import CheckpointError, ConfigError, FormatError, RunError
from ranvier.runs import Run
from ranvier.runs.checkpoints import Checkpoints


@dataclass(frozen=True)
class Config:
    epochs: int = 3
    lr: float = 0.1


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "a" / "r", name="stbp", config=Config(), command=["ranvier", "run"], seed=5)


def test_a_run_is_a_folder_that_opens_again(run):
    again = Run.open(run.folder)
    assert again == run
    assert again.name == "stbp"
    assert again.config == {"epochs": 3, "lr": 0.1}
    environment = json.loads((run.folder / "environment.json").read_text())
    assert environment["command"] == ["ranvier", "run"]
    assert environment["seed"] == 5
    assert not run.finished
    (run.folder / "results.json").write_text("{}")
    assert run.finished


def test_a_run_is_not_overwritten(run):
    with pytest.raises(RunError, match=r"expected a folder without a run, got the run 'stbp'\. Resume it, or choose"):
        Run.create(run.folder, name="other", config={})
    assert Run.open(run.folder).name == "stbp"


def test_a_creation_that_was_killed_can_be_repeated(tmp_path):
    (tmp_path / "environment.json").write_text("{")  # config.json comes last
    assert Run.create(tmp_path, name="x", config={}).config == {}


def test_a_config_that_is_not_plain_leaves_no_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"^config\.lr: expected a finite number"):
        Run.create(tmp_path / "r", name="x", config=Config(lr=float("nan")))
    assert not (tmp_path / "r").exists()


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/r: expected a folder that can be written to, got Not a directory"):
        Run.create(tmp_path / "file" / "r", name="x", config={})


def test_a_full_disk_is_named_and_no_run_appears(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match="No space left on device"):
            Run.create(tmp_path / "r", name="x", config={})
    with pytest.raises(RunError, match=r"expected a run folder, got no config\.json in it"):
        Run.open(tmp_path / "r")


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_a_broken_config_is_a_format_error(run, content):
    (run.folder / "config.json").write_text(content)
    with pytest.raises(FormatError, match=r"config\.json: expected a JSON object"):
        Run.open(run.folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"name": 3, "config": {}}', '{"name": "a", "config": []}'])
def test_a_config_of_another_kind_is_a_format_error(run, content):
    (run.folder / "config.json").write_text(content)
    with pytest.raises(FormatError, match=r'config\.json: expected an object with "name" and "config"'):
        Run.open(run.folder)


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(RunError, match="expected a run folder"):
        Run.open(tmp_path / "f")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(RunError, match=r"config\.json: expected a readable file, got Is a directory"):
        Run.open(tmp_path)


def test_figures_are_logged_with_step_and_time(run):
    run.log(step=1, loss=0.5)
    run.log(step=2, layers={"0": {"rate": 0.1}})
    first, second = run.metrics()
    assert (first["step"], first["loss"]) == (1, 0.5)
    assert second["layers"] == {"0": {"rate": 0.1}}
    assert second["time"] >= first["time"] > 1e9


def test_resuming_gives_the_tree_and_cuts_the_metrics_back(run):
    assert run.resume() is None
    run.log(step=1)
    run.save(1, {"w": torch.ones(2)})
    run.log(step=2)
    assert [row["step"] for row in run.metrics()] == [1, 2]
    assert torch.equal(run.newest().checkpoint.tree["w"], torch.ones(2))
    assert [row["step"] for row in run.metrics()] == [1, 2]
    found = run.resume()
    assert found.checkpoint.step == 1
    assert torch.equal(found.checkpoint.tree["w"], torch.ones(2))
    assert [row["step"] for row in run.metrics()] == [1]


def test_resuming_without_a_checkpoint_starts_the_metrics_anew(run):
    run.log(step=1)
    assert run.resume() is None
    assert run.metrics() == []


def test_nothing_is_found_before_the_first_save(run):
    assert run.newest() is None


def test_a_fallback_cuts_the_metrics_back_to_the_checkpoint_that_is_used(run):
    for step in (1, 2, 3):
        run.log(step=step)
        path = run.save(step, {})
    (path / "state.json").write_text("{}")
    found = run.resume()
    assert found.checkpoint.step == 2
    assert "state.json" in str(found.refused[0])
    assert [row["step"] for row in run.metrics()] == [1, 2]


@pytest.mark.parametrize("tree", [{}, {"metrics_bytes": 1}, {"metrics_bytes": 1.5, "tree": {}}, [1]])
def test_a_checkpoint_of_another_program_is_refused(run, tree):
    Checkpoints(run.folder / "checkpoints").save(1, tree)
    with pytest.raises(CheckpointError, match="expected a checkpoint of a run, got another program's"):
        run.resume()


def test_only_the_last_checkpoints_stay(tmp_path):
    run = Run.create(tmp_path, name="x", config={}, keep=2)
    for step in range(5):
        run.save(step, {})
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-000000003", "step-000000004"]


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ('{"num_threads": 3}', 3), ('{"num_threads": 0}', None), ('{"num_threads": 1e9}', None), ("{}", None),
        ('{"num_threads": 99999999}', None), ('{"num_threads": true}', None), ("[1]", None), ("{", None),
    ],
)  # fmt: skip
def test_the_number_of_threads_is_read_from_the_environment_or_unknown(run, content, number):
    assert run.num_threads == torch.get_num_threads()
    (run.folder / "environment.json").write_text(content)
    assert run.num_threads == number


def test_a_run_without_environment_has_an_unknown_number_of_threads(run):
    (run.folder / "environment.json").unlink()
    assert run.num_threads is None
