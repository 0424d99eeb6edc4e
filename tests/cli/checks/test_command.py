import json

import pytest


def logged(tmp_path):
    return sorted((tmp_path / "tosses").read_text().splitlines())


def test_a_claim_that_holds_is_shown_beside_its_control_and_written(shell, coin, tmp_path):
    coin("penny")
    result = shell("check", "penny")
    assert result.exit_code == 0, result.output
    assert "A loaded coin shows heads." in result.stdout
    assert "0.91  [0.9 .. 0.92]" in result.stdout
    assert "0.51  [0.5 .. 0.52]" in result.stdout
    assert "91 %" in result.stdout
    assert "verdict: holds" in result.stdout
    written = json.loads((tmp_path / "runs" / "checks" / "penny.json").read_text())
    assert written["verdict"] == "holds"
    assert [m["heads"] for m in written["measured"]] == [0.9, 0.91, 0.92]
    assert written["environment"]["versions"]["torch"]


def test_what_was_measured_is_not_measured_again_unless_asked_or_changed(shell, coin, tmp_path):
    coin("penny")
    first = json.loads(shell("check", "penny", "--json").stdout)
    assert len(logged(tmp_path)) == 6
    again = json.loads(shell("check", "penny", "--json").stdout)
    assert len(logged(tmp_path)) == 6
    assert again["measured"] == first["measured"]
    (tmp_path / "runs" / "checks" / "parts" / "penny" / "full-control-1.json").write_text("{")  # one is damaged
    shell("check", "penny")
    assert logged(tmp_path).count("0.5 1") == 2
    assert len(logged(tmp_path)) == 7
    shell("check", "penny", "--again")
    assert len(logged(tmp_path)) == 13


def test_a_small_scale_is_kept_apart_and_judged_by_its_own_measure(shell, coin, tmp_path):
    small = "Fast(config=Coin(bias=0.3), control=Coin(bias=0.1), passes=lambda m: m['heads'] > 0.2)"
    coin("penny", fast=small)
    result = shell("check", "penny", "--fast")
    assert "verdict: holds (in small, first seed only)" in result.stdout
    assert logged(tmp_path) == ["0.1 0", "0.3 0"]
    assert json.loads(shell("check", "penny", "--json").stdout)["scale"] == "full"
    assert len(logged(tmp_path)) == 8


def test_all_systems_are_checked_and_what_cannot_be_is_told_apart(shell, coin, tmp_path):
    coin("penny")
    coin("fake", passes="lambda m: m['heads'] > 0.95")
    coin("lost", measure="lack")
    coin("deadly", measure="die")
    coin("clumsy", measure="stumble")
    coin("vague", measure="nan")
    coin("open_one", passes="lambda m: False", state="'open'", note="'Seen: 0.9 of 100 tosses.'")
    result = shell("check", "--all", "--fast", "--jobs", 2)
    assert result.exit_code == 1
    assert "1 holds, 1 open, 1 fails, 3 error, 1 absent" in result.stdout
    assert "lost: coins: expected a coin, got none. Mint one." in result.stdout
    assert "killed by signal 9" in result.stdout
    assert "ZeroDivisionError: dropped the coin" in result.stdout
    assert "expected finite figures, got heads=nan" in result.stdout
    written = {path.stem for path in (tmp_path / "runs" / "checks").glob("*.json")}
    assert written == {"penny", "fake", "open_one"}


def test_an_absent_data_set_alone_is_no_failure_of_all_but_an_error_of_one(shell, coin):
    coin("lost", measure="lack")
    assert shell("check", "--all").exit_code == 0
    result = shell("check", "lost")
    assert result.exit_code == 2
    assert "DataError: check lost: expected what it is measured on, got this: coins: expected a coin" in result.stderr


@pytest.mark.parametrize(
    "changes",
    [{"passes": "lambda m: m['heads'] > 0.905"}, {"control": "Coin(bias=0.85)"}],
    ids=["a seed misses", "the control passes"],
)
def test_a_claim_that_does_not_hold_fails_with_exit_code_1(shell, coin, changes):
    coin("fake", **changes)
    result = shell("check", "fake")
    assert result.exit_code == 1
    assert "verdict: fails" in result.stdout


def test_an_open_claim_is_no_failure_and_shows_its_note(shell, coin):
    coin("open_one", passes="lambda m: False", state="'open'", note="'Seen: 0.9 of 100 tosses.'")
    result = shell("check", "open_one")
    assert result.exit_code == 0
    assert "verdict: open" in result.stdout
    assert "Seen: 0.9 of 100 tosses." in result.stdout


def test_each_measuring_process_has_one_thread(shell, coin, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    coin("counted", measure="count_threads")
    measured = json.loads(shell("check", "counted", "--jobs", "1", "--json").stdout)["measured"]
    assert [m["threads"] for m in measured] == [1, 1, 1]


def test_what_a_system_prints_is_not_taken_for_an_answer(shell, coin):
    coin("chatty", measure="chat")
    assert json.loads(shell("check", "chatty", "--json").stdout)["measured"][0]["heads"] == 0.9


def test_a_place_that_cannot_be_written_is_named(shell, coin, tmp_path):
    coin("penny")
    (tmp_path / "file").write_text("in the way")
    result = shell("check", "penny", "--out", "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("RunError: file/penny.json: expected a writable file, got ")
    assert len(logged(tmp_path)) == 6
    assert shell("check", "penny").exit_code == 0
    assert len(logged(tmp_path)) == 6  # nothing was lost


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["check"], "expected names of systems, or --all, got neither"),
        (["check", "penny", "--all"], "expected names of systems, or --all, got --all and names"),
        (["check", "penny", "--fast", "--full"], "expected --fast or --full, got both"),
        (["check", "peny"], "Did you mean 'penny'?"),
    ],
)
def test_a_check_that_cannot_be_meant_is_refused(shell, coin, words, text):
    coin("penny")
    result = shell(*words)
    assert result.exit_code == 2
    assert text in result.stderr
