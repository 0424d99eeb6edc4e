import json

import pytest

from ranvier.core.errors import RunError
from ranvier.report.source import read


def lines(folder, *rows):
    (folder / "metrics.jsonl").write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows))
    return read(folder)


def test_a_folder_with_nothing_in_it_is_an_empty_source(tmp_path):
    source = read(tmp_path)
    assert source.results is None
    assert (source.series, source.config, source.faults) == ((), {}, ())


def test_what_is_no_folder_is_an_error(tmp_path):
    with pytest.raises(RunError, match="nope: expected a run folder, got nothing there"):
        read(tmp_path / "nope")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file: expected a run folder, got a file"):
        read(tmp_path / "file")


def test_nested_figures_become_series_with_dotted_names(tmp_path):
    source = lines(tmp_path, {"step": 1, "time": 5.0, "train": {"loss": 2.0}}, {"step": 2, "train": {"loss": 1.0}})
    (series,) = source.series
    assert (series.name, series.x, series.y) == ("train.loss", (1.0, 2.0), (2.0, 1.0))


def test_a_word_that_says_the_split_names_the_series(tmp_path):
    source = lines(tmp_path, {"step": 1, "split": "test", "loss": 2.0})
    assert [s.name for s in source.series] == ["test.loss"]


def test_a_step_written_twice_counts_once_the_later_one(tmp_path):
    rows = ({"step": 1, "loss": 3.0}, {"step": 2, "loss": 9.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 1.0})
    (series,) = lines(tmp_path, *rows).series
    assert series.y == (3.0, 2.0, 1.0)


def test_a_torn_last_line_is_no_fault_but_a_broken_one_before_it_is(tmp_path):
    assert lines(tmp_path, {"step": 1, "loss": 1.0}, '{"step": 2, "lo').faults == ()
    source = lines(tmp_path, {"step": 1, "loss": 1.0}, "nonsense\n", {"step": 2, "loss": 1.0})
    assert source.faults == ("metrics.jsonl: 1 broken line passed over",)
    assert source.series[0].x == (1.0, 2.0)


def test_null_infinite_boolean_and_huge_figures_are_not_drawn(tmp_path):
    rows = '{"step": 1, "a": null, "b": Infinity, "c": true, "d": 1' + "0" * 400 + ', "e": 1}\n'
    assert [s.name for s in lines(tmp_path, rows).series] == ["e"]


def test_epochs_stand_in_where_there_are_no_steps(tmp_path):
    (series,) = lines(tmp_path, {"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}).series
    assert series.x == (1.0, 2.0)


def test_the_number_of_series_is_bounded(tmp_path):
    source = lines(tmp_path, {"step": 1, **{f"m{i}": 1.0 for i in range(1000)}})
    assert len(source.series) == 64


def test_unreadable_files_are_faults_by_name(run):
    (run / "config.json").write_text("[1]")
    (run / "environment.json").write_text('{"a": ')
    (run / "results.json").write_text("{}")
    source = read(run)
    assert len(source.faults) == 3
    assert "config.json: expected an object, got list" in source.faults
    assert any("results.json: title" in fault for fault in source.faults)
    assert source.series, "the rest is still read"


def test_the_environment_is_flat_and_the_command_is_quoted_for_a_shell(run):
    (run / "environment.json").write_text(
        json.dumps({"command": ["ranvier", "run", "a b"], "versions": {"torch": "2"}})
    )
    source = read(run)
    assert source.command == "ranvier run 'a b'"
    assert source.environment == {"versions.torch": "2"}
    assert source.name == "stbp"
    assert source.config["train.batch"] == "32"


def test_long_values_and_many_keys_are_cut(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"a": "x" * 5000, **{f"k{i}": i for i in range(500)}}))
    config = read(tmp_path).config
    assert len(config) == 200
    assert len(config["a"]) < 520
