import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ranvier import systems
from ranvier.cli import app
from ranvier.runs import Run


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """A finished run of seconds, and what the command printed."""
    runs = tmp_path_factory.mktemp("runs")
    result = CliRunner().invoke(app, ["run", "stbp", *tiny, "--seed=3", f"--runs={runs}"])
    assert result.exit_code == 0, result.output
    (folder,) = runs.iterdir()
    return folder, result.stdout


def test_a_run_leaves_its_folder_and_shows_the_figures(finished):
    folder, printed = finished
    for name in ("config.json", "environment.json", "metrics.jsonl", "results.json", "report.html", "checkpoints"):
        assert (folder / name).exists(), name
    assert f"run folder: {folder}" in printed
    assert f"report: {folder / 'report.html'}" in printed
    assert "Accuracy" in printed
    assert "stbp 100 %" in printed


def test_options_and_seed_are_those_of_the_run(finished):
    config = json.loads((finished[0] / "config.json").read_text())
    assert config["name"] == "stbp"
    assert config["config"]["seed"] == 3
    assert config["config"]["channels"] == [2]


def test_a_finished_run_resumed_is_only_shown_again(shell, finished):
    before = Run.open(finished[0]).newest().checkpoint
    result = shell("resume", finished[0], "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["finished"]
    assert 0 <= shown["headlines"]["Accuracy"]["value"] <= 100
    assert Run.open(finished[0]).newest().checkpoint.step == before.step


def test_the_report_is_written_anew(shell, finished):
    page = finished[0] / "report.html"
    page.unlink()
    result = shell("report", finished[0], "--json")
    assert json.loads(result.stdout) == {"report": str(page)}
    assert page.read_text().startswith("<!doctype html>") or "<html" in page.read_text()


def test_runs_are_compared_by_figures_and_by_the_options_that_differ(shell, finished, tmp_path):
    config = json.loads((finished[0] / "config.json").read_text())["config"]
    Run.create(tmp_path / "other", name="stbp", config={**config, "seed": 8})
    page = shell("compare", finished[0], tmp_path / "other").stdout
    assert "not finished" in page
    assert "seed" in page
    assert "train.optimiser.lr" not in page
    machine = json.loads(shell("compare", finished[0], tmp_path / "other", "--json").stdout)
    assert machine[str(tmp_path / "other")]["config"]["seed"] == 8
    assert machine[str(finished[0])]["headlines"]["Accuracy"]["unit"] == "%"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "train.epochs=abc"), "ConfigError: --set.train.epochs: expected a valid integer, got 'abc'."),
        (("--set", "train.epochs=0"), "ConfigError: Train.epochs: expected at least 1, got 0."),
        (("--set", "train.epoch=3"), "Did you mean 'epochs'?"),
        (("--set", "epochs=3"), "got 'epochs'. Did you mean 'train.epochs'?"),
        (("--seed", "1", "--set", "seed=2"), "--seed: expected one seed, got --set seed=... too. Drop one of them."),
        (
            ("--set", "train.epochs=1", "--set", "train.epochs=2"),
            "--set train.epochs: expected one value, got '1' and '2'.",
        ),
        (("--config", "none.yaml"), "none.yaml: expected a readable YAML file, got No such file or directory."),
        (("--config", "other.yaml"), "other.yaml: expected options of 'stbp', got those of 'sltt'."),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(shell, tmp_path, words, message):
    (tmp_path / "other.yaml").write_text("system: sltt\n")
    result = shell("run", "stbp", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_place_for_runs_that_is_a_file_is_refused(shell, tmp_path, tiny):
    (tmp_path / "file").write_text("in the way")
    result = shell("run", "stbp", *tiny, "--runs", "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("RunError: file/stbp-")


def test_what_is_no_run_folder_is_refused(shell, tmp_path):
    for command in ("resume", "report", "compare"):
        result = shell(command, tmp_path)
        assert result.exit_code == 2
        assert f"RunError: {tmp_path}: expected a run folder, got no config.json in it." in result.stderr


def test_two_runs_within_a_second_get_folders_of_their_own(shell, tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    real = systems.load("stbp")
    monkeypatch.setattr(systems, "load", lambda name: replace(real, train=lambda config, folder, watch: "SIGINT"))
    for _ in range(2):
        assert shell("run", "stbp").exit_code == 130
    assert sorted(f.name for f in (tmp_path / "runs").iterdir()) == ["stbp-20260101-000000", "stbp-20260101-000000-2"]


@pytest.mark.usefixtures("threads_put_back")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_told_to_stop_saves_says_how_to_go_on_and_ends_as_if_never_stopped(shell, tmp_path, tiny, number, code):
    longer = ("--set=train.epochs=40", "--set=limit=20", "--set=batch_size=10", "--set=train.saving.log_steps=1")
    options = [word for word in tiny if not word.startswith(("--set=train.epochs", "--set=limit", "--set=batch"))] + [
        *longer
    ]
    with subprocess.Popen(
        [sys.executable, "-c", "from ranvier.cli import main; main()", "run", "stbp", *options],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as run:  # fmt: skip
        try:
            folder = _wait_for_steps(run, tmp_path / "runs", 2)
            run.send_signal(number)
            printed, faults = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == code, faults
    assert f"Go on with: ranvier resume {folder.relative_to(tmp_path)}" in printed
    assert 2 <= Run.open(folder).newest().checkpoint.step < 80
    if number == signal.SIGTERM:
        return  # once is enough for what follows
    torch.set_num_threads(2)  # the run began with 1, and other numbers of threads give other last bits
    assert shell("resume", folder).exit_code == 0
    assert torch.get_num_threads() == 1
    assert shell("run", "stbp", *options, "--runs=straight").exit_code == 0
    (straight,) = (tmp_path / "straight").iterdir()
    there, here = (Run.open(f).newest().checkpoint.tree["net"] for f in (straight, folder))
    assert there.keys() == here.keys()
    for name, weight in there.items():
        assert torch.equal(weight, here[name]), name


def _wait_for_steps(run: subprocess.Popen[str], runs: Path, steps: int) -> Path:
    until = time.monotonic() + 60
    while time.monotonic() < until and run.poll() is None:
        rows = [path for path in runs.glob("*/metrics.jsonl") if path.read_text().count("\n") >= steps]
        if rows:
            return rows[0].parent
        time.sleep(0.02)
    run.kill()  # where it has not ended by itself
    raise AssertionError(f"no {steps} steps; exit code {run.wait()}:\n{''.join(run.communicate())}")
