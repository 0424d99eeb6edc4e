import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from ranvier.core.errors import ConfigError, RunError
from ranvier.runs.files import disk, plain, render, write_whole


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ("a", "b")


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    folder: Path = Path("runs/x")
    seed: int | None = None
    on: bool = True


def test_a_config_becomes_plain_json_and_comes_back_the_same():
    values = plain(Outer())
    assert values == {"inner": {"rate": 0.5, "names": ["a", "b"]}, "folder": "runs/x", "seed": None, "on": True}
    assert json.loads(render(values)) == values


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_config_with_a_number_that_json_does_not_know_is_refused_by_place(value):
    with pytest.raises(ConfigError, match=r"^config\.inner\.rate: expected a finite number"):
        plain(Outer(inner=Inner(rate=value)))


def test_a_config_with_an_object_is_refused_by_place():
    with pytest.raises(ConfigError, match=r"^config\.a\[1\]: expected numbers, text, lists .* got object"):
        plain({"a": [1, object()]})
    with pytest.raises(ConfigError, match=r"^config\.a: expected names \(str\) as keys, got 3"):
        plain({"a": {3: 1}})
    with pytest.raises(ConfigError, match="got type"):
        plain(Outer)  # the class, not an object of it


def test_json_is_rendered_one_way_whatever_the_order_of_keys():
    assert render({"b": 1, "a": 0.1}) == render({"a": 0.1, "b": 1}) == b'{\n  "a": 0.1,\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        render({"a": float("nan")})


def test_a_whole_write_replaces_the_old_content(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_old_content_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(
            RunError, match="expected a folder that can be written to, got No space left on device"
        ) as caught,
        disk(str(path)),
    ):
        write_whole(path, b"new")
    assert str(caught.value).startswith(str(path))
    assert isinstance(caught.value, OSError)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_error_that_says_where_already_passes_unchanged():
    with pytest.raises(RunError, match=r"^inner: ") as caught, disk("outer"):
        raise RunError("inner", expected="a", got="b")
    assert caught.value.where == "inner"
