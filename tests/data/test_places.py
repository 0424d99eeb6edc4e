from pathlib import Path

import pytest

from ranvier.core.errors import DataError
from ranvier.data import places


def test_the_named_folder_comes_before_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached = tmp_path / "cache" / "ranvier" / "mnist" / "a"
    cached.parent.mkdir(parents=True)
    cached.touch()
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    assert places.find("mnist", "a") == cached
    (tmp_path / "data" / "mnist" / "a").touch()
    assert places.find("mnist", "a") == tmp_path / "data" / "mnist" / "a"
    assert places.find("mnist", "b") is None


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    assert places.folders() == [Path.home() / ".cache" / "ranvier"]


def test_a_named_folder_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"RANVIER_DATA: expected a folder, got '.*nowhere'. Make it, or unset"):
        places.folders()
