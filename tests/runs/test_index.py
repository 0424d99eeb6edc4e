import json

from ranvier.runs import Run, list_runs


def start(root, name, started):
    run = Run.create(root / name, name=name, config={})
    (run.folder / "environment.json").write_text(json.dumps({"started": started}))
    return run


def test_runs_are_listed_the_latest_first_with_their_last_figures(tmp_path):
    old = start(tmp_path, "old", "2026-01-01T00:00:00")
    start(tmp_path / "deep", "new", "2026-02-01T00:00:00")
    old.log(step=1, loss=2.0, lr=0.1)
    old.log(step=7, loss=1.0)
    (old.folder / "results.json").write_text("{}")
    new_entry, old_entry = list_runs(tmp_path)
    assert new_entry.name == "new"
    assert (new_entry.step, new_entry.figures, new_entry.finished) == (0, {}, False)
    assert old_entry.folder == old.folder
    assert (old_entry.step, old_entry.figures, old_entry.finished) == (7, {"loss": 1.0, "lr": 0.1}, True)
    assert old_entry.started == "2026-01-01T00:00:00"


def test_a_broken_run_is_listed_with_its_fault(tmp_path):
    run = start(tmp_path, "a", "2026-01-01")
    (run.folder / "environment.json").unlink()
    (run.folder / "metrics.jsonl").write_text("broken\n")
    (entry,) = list_runs(tmp_path)
    assert "metrics.jsonl: line 1: expected a JSON object" in entry.fault
    assert entry.started == ""


def test_where_there_is_no_folder_there_are_no_runs(tmp_path):
    assert list_runs(tmp_path / "absent") == []
    assert list_runs(tmp_path) == []
