"""A command typed in an empty folder, without data or cache of its own."""

import pytest
import torch
from typer.testing import CliRunner

from ranvier.cli import app


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Give a function that runs a command line in this process and returns its result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def threads_put_back():
    """Leave torch with the number of threads that it had."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


TINY = (
    "--set=train.epochs=1", "--set=num_frames=2", "--set=shrink=8", "--set=channels=[2]", "--set=batch_size=20", "--set=limit=40",
)  # fmt: skip


@pytest.fixture(scope="session")
def tiny():
    """Options that make a training of seconds: forty recordings, two frames of 5 x 5 pixels, two steps an epoch."""
    return TINY
