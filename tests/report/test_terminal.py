import io
import json

import pytest
from rich.console import Console

from ranvier.core.errors import RunError
from ranvier.report.schema import Headline, Results
from ranvier.report.terminal import compare, summary


def printed(renderable):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_the_summary_says_what_the_page_says(results):
    words = printed(summary(results))
    for part in ("Surrogate gradients on N-MNIST", "94 %", "0.213", "1,200", "MAC", "µJ", "times less", "holds"):
        assert part in words, part


def test_markup_in_results_is_not_obeyed():
    words = printed(summary(Results(title="[red]x[/red]", headlines=(Headline(label="[b]", value=1),))))
    assert "[red]x[/red]" in words
    assert "[b]" in words


def test_runs_are_compared_row_by_row(run, partial_run):
    words = printed(compare([run, partial_run]))
    assert "finished" in words
    assert "not finished" in words
    assert "94 %" in words
    assert "train_loss" in words
    last = [json.loads(line) for line in (partial_run / "metrics.jsonl").read_text().splitlines()][-1]
    assert f"{last['test_loss']:.4f}"[:5] in words


def test_comparing_what_is_no_run_is_an_error(tmp_path):
    with pytest.raises(RunError, match="expected a run folder"):
        compare([tmp_path / "absent"])
