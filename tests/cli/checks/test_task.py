"""What was measured counts only for what it was measured of."""

import json
from dataclasses import dataclass, replace

import pytest
import torch

from ranvier.cli.checks import task as tasks
from ranvier.cli.checks.task import Kept, Measurement, Task

TASK = Task(system="penny", module="penny", scale="full", side="claim", seed=1)
FOUND = Measurement(figures={"heads": 0.9}, seconds=2.5)


@dataclass(frozen=True)
class Coin:
    bias: float = 0.9


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    kept.put(TASK, Coin(), FOUND)
    return kept


def test_a_measurement_comes_back_and_says_that_it_was_kept(kept):
    assert kept.get(TASK, Coin()) == replace(FOUND, kept=True)


def test_another_configuration_or_task_has_no_measurement(kept):
    assert kept.get(TASK, Coin(bias=0.5)) is None
    for change in ({"seed": 2}, {"side": "control"}, {"scale": "fast"}, {"system": "groat"}):
        assert kept.get(replace(TASK, **change), Coin()) is None


def test_another_torch_folder_of_data_or_source_file_makes_it_void(kept, monkeypatch):
    for place, name, value in ((torch, "__version__", "0.1"), (tasks, "_sources", lambda: "others")):
        with monkeypatch.context() as changed:
            changed.setattr(place, name, value)
            assert kept.get(TASK, Coin()) is None
    with monkeypatch.context() as changed:
        changed.setenv("RANVIER_DATA", "/elsewhere")
        assert kept.get(TASK, Coin()) is None
    assert kept.get(TASK, Coin()) is not None


def test_the_digest_of_sources_changes_with_any_of_them(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    for name in ("__init__.py", "room/code.py"):
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(tasks.ranvier, "__file__", str(tmp_path / "__init__.py"))
    digests = []
    for text in ("x = 1\n", "x = 2\n"):
        (tmp_path / "room" / "code.py").write_text(text)
        digests.append(tasks._sources.__wrapped__())
    assert digests[0] != digests[1]


@pytest.mark.parametrize("damage", ["{", "[]", '{"fingerprint": 1}', ""])
def test_a_damaged_measurement_is_measured_again(kept, tmp_path, damage):
    (path,) = tmp_path.rglob("*.json")
    path.write_text(damage)
    assert kept.get(TASK, Coin()) is None


def test_what_is_kept_names_its_task(kept, tmp_path):
    (path,) = tmp_path.rglob("*.json")
    assert json.loads(path.read_text())["task"]["seed"] == 1
    assert kept.folder == tmp_path
