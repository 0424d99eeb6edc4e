"""A place for miniatures of data sets, and the real ones where RANVIER_DATA has them."""

import os
from pathlib import Path

import pytest

REAL = Path(os.environ["RANVIER_DATA"]) if "RANVIER_DATA" in os.environ else None


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give a function that makes the empty folder of a set in a RANVIER_DATA of its own."""
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()

    def make(name):
        monkeypatch.setenv("RANVIER_DATA", str(tmp_path / "data"))
        (tmp_path / "data" / name).mkdir()
        return tmp_path / "data" / name

    return make


@pytest.fixture
def real(monkeypatch):
    """Give a function that finds the real files of a set, or skips."""

    def find(name, *files):
        if REAL is None or not all((REAL / name / file).exists() for file in files):
            pytest.skip(f"needs the real {name}: set RANVIER_DATA")
        monkeypatch.setenv("RANVIER_DATA", str(REAL))
        return REAL / name

    return find
