import json
from dataclasses import dataclass, replace

import pytest

from ranvier import systems
from ranvier.core.claim import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    bias: float = 0.9


def toss(config, seed, progress):
    progress(0.5, "tossing")
    return {"heads": config.bias + 0.01 * seed, "tosses": 100}


@pytest.fixture
def claim(monkeypatch):
    """Let the system stbp claim something that is measured at once; returns what sets another claim."""
    real = systems.load("stbp")
    base = Claim(
        sentence="A loaded coin shows heads.",
        measure=toss,
        passes=lambda m: m["heads"] > 0.8,
        config=Coin(),
        control=Coin(bias=0.5),
        published={"heads": "91 %", "coins": "3"},
    )

    def load(**changes):
        monkeypatch.setattr(systems, "load", lambda name: replace(real, claim=replace(base, **changes)))

    load()
    return load


def test_a_claim_that_holds_is_shown_beside_its_control_and_written(shell, claim, tmp_path):
    result = shell("check", "stbp")
    assert result.exit_code == 0, result.output
    assert "A loaded coin shows heads." in result.stdout
    assert "0.91  [0.9 .. 0.92]" in result.stdout
    assert "0.51  [0.5 .. 0.52]" in result.stdout
    assert "91 %" in result.stdout
    assert "verdict: holds" in result.stdout
    written = json.loads((tmp_path / "runs" / "checks" / "stbp.json").read_text())
    assert written["verdict"] == "holds"
    assert [m["heads"] for m in written["measured"]] == [0.9, 0.91, 0.92]
    assert written["environment"]["versions"]["torch"]


def test_json_is_all_that_is_printed_and_the_same_as_what_is_written(shell, claim, tmp_path):
    result = shell("check", "stbp", "--json", "--out", "there/it.json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "there" / "it.json").read_text())


def test_fast_takes_the_first_seed_only_and_says_so(shell, claim):
    result = shell("check", "stbp", "--fast")
    assert "verdict: holds (first seed only)" in result.stdout
    assert json.loads(shell("check", "stbp", "--fast", "--json").stdout)["seeds"] == [0]


def test_a_claim_that_does_not_hold_fails_with_exit_code_1(shell, claim):
    claim(passes=lambda m: m["heads"] > 0.905)
    result = shell("check", "stbp")
    assert result.exit_code == 1
    assert "verdict: fails" in result.stdout


def test_a_control_that_passes_makes_the_claim_fail(shell, claim):
    claim(control=Coin(bias=0.85))
    assert shell("check", "stbp").exit_code == 1


def test_an_open_claim_is_no_failure_and_shows_its_note(shell, claim):
    claim(passes=lambda m: False, state="open", note="Seen: 0.9 of 100 tosses.")
    result = shell("check", "stbp")
    assert result.exit_code == 0
    assert "verdict: open" in result.stdout
    assert "Seen: 0.9 of 100 tosses." in result.stdout


def test_a_place_that_cannot_be_written_is_named(shell, claim, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = shell("check", "stbp", "--out", "file/it.json")
    assert result.exit_code == 2
    assert result.stderr.startswith("RunError: file/it.json: expected a writable file, got ")
