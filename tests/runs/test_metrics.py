import errno
import json
import math
import os

import pytest

from ranvier.core.errors import ConfigError, FormatError, RunError
from ranvier.runs.metrics import Metrics


@pytest.fixture
def metrics(tmp_path):
    return Metrics(tmp_path / "metrics.jsonl")


def test_lines_come_back_in_order_and_to_the_last_bit(metrics):
    rows = [
        {"step": 1, "loss": 0.1 + 0.2, "layers": {"0": {"rate": 1e-300}}},
        {"step": 2, "advice": "a\nb", "on": None},
    ]
    for row in rows:
        metrics.append(row)
    assert metrics.rows() == rows
    assert metrics.path.read_bytes().count(b"\n") == 2


def test_nothing_written_is_nothing_read(metrics):
    assert metrics.rows() == []
    assert metrics.size() == 0
    metrics.cut(0)
    assert not metrics.path.exists()


def test_a_figure_that_is_not_finite_becomes_null_so_that_any_reader_takes_it(metrics):
    metrics.append({"a": math.nan, "b": -math.inf, "c": {"d": math.inf}})

    def refuse(word):
        raise AssertionError(word)

    assert json.loads(metrics.path.read_text(), parse_constant=refuse) == {"a": None, "b": None, "c": {"d": None}}


def test_a_figure_of_another_kind_is_refused_by_name(metrics):
    with pytest.raises(ConfigError, match=r"^metrics\.layers\.a: expected a number or text, got list"):
        metrics.append({"layers": {"a": [1]}})


def test_a_torn_last_line_counts_as_not_written(metrics):
    metrics.append({"step": 1})
    whole = metrics.size()
    with metrics.path.open("ab") as file:
        file.write(b'{"step": 2, "lo')
    assert metrics.rows() == [{"step": 1}]
    assert metrics.size() == whole
    metrics.cut(whole)
    metrics.append({"step": 2})
    assert metrics.rows() == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("line", [b"{broken", b"[1]", b"\xff", b"[" * 100_000])
def test_a_broken_line_is_named_by_number(metrics, line):
    metrics.append({"step": 1})
    with metrics.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(FormatError, match=r"metrics\.jsonl: line 2: expected a JSON object"):
        metrics.rows()


def test_the_file_is_cut_back_to_what_it_was(metrics):
    metrics.append({"step": 1})
    size = metrics.size()
    metrics.append({"step": 2})
    metrics.cut(size)
    assert metrics.rows() == [{"step": 1}]


def test_lines_that_are_gone_are_noticed(metrics):
    metrics.append({"step": 1})
    size = metrics.size()
    metrics.path.unlink()
    with pytest.raises(RunError, match=rf"expected at least the {size} bytes .* got 0 bytes\. Restore it from a copy"):
        metrics.cut(size)


def test_a_full_disk_is_an_error_that_names_the_file(metrics, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunError, match=r"metrics\.jsonl: expected a folder .* got No space left on device"):
        metrics.append({"step": 1})


def test_a_disk_that_fills_up_in_the_middle_of_a_line_is_an_error(metrics, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: real(handle, content[:3]))
    with pytest.raises(RunError, match=r"got only 3 of \d+ bytes were taken"):
        metrics.append({"step": 1})
    assert metrics.rows() == []
