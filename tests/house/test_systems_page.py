"""The page of the systems says what the committed measurements say."""

import json
import sys
from pathlib import Path

import pytest

import ranvier
from ranvier import systems

PROJECT = Path(ranvier.__file__).parent.parent


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT))
    from tools import systems_page

    yield systems_page
    sys.modules.pop("tools.systems_page", None)


def test_the_page_is_what_the_tool_writes_from_the_committed_results(page):
    assert page.PAGE.read_text() == page.rendered(), "run python tools/systems_page.py"


def test_a_figure_that_was_altered_changes_the_page(page, monkeypatch, tmp_path):
    for path in page.RESULTS.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    result = json.loads((tmp_path / "stbp.json").read_text())
    result["measured"][0]["accuracy"] = 0.123
    (tmp_path / "stbp.json").write_text(json.dumps(result))
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    assert "0.123" in page.rendered()
    assert page.PAGE.read_text() != page.rendered()


@pytest.mark.parametrize("name", systems.names())
def test_a_committed_result_bears_out_what_its_claim_says_of_itself(name):
    claim = systems.load(name).claim
    result = json.loads((PROJECT / "docs" / "results" / f"{name}.json").read_text())
    assert result["sentence"] == claim.sentence
    assert result["published"] == dict(claim.published)
    assert result["seeds"] == list(claim.seeds)
    assert result["note"] == claim.note
    passed = all(claim.passes(m) for m in result["measured"]) and not any(claim.passes(m) for m in result["control"])
    assert result["verdict"] == ("holds" if passed else "open")
    assert passed or claim.state == "open"
