"""No hostile file runs code, escapes, hangs, or takes more memory than a few times what it holds."""

import importlib.util
import time
import tracemalloc
from pathlib import Path

import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import cifar, idx, npz

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)

MEMORY = 64 << 20  # plus four times the file
SECONDS = 2.0
READERS = {
    "npz": (npz.read, hostile.npz_files),
    "idx": (idx.read, lambda marker: hostile.idx_files()),
    "tar": (lambda path: cifar.read_archive(path, cifar.TEST), lambda marker: hostile.tar_files()),
}


def refusal(read, path):
    """The message of the FormatError, or nothing if the file was read."""
    try:
        read(path)
    except FormatError as error:
        return str(error)
    return ""


def refuse(read, path):
    tracemalloc.start()
    begin = time.perf_counter()
    try:
        text = refusal(read, path)
        return text, time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reader", READERS)
def test_every_hostile_file_is_refused_quickly_with_bounded_memory(reader, tmp_path):
    read, make = READERS[reader]
    marker, path = tmp_path / "executed", tmp_path / "file"
    files = make(marker)
    assert len(files) >= 20
    for name, data in files.items():
        path.write_bytes(data)
        text, seconds, peak = refuse(read, path)
        assert str(path) in text, name
        assert seconds < SECONDS, name
        assert peak < MEMORY + 4 * len(data), (name, peak)
        assert not marker.exists(), name
    assert {p.name for p in tmp_path.iterdir()} == {"file"}


def test_the_marker_would_appear_if_something_were_executed(tmp_path):
    import pickle

    pickle.loads(pickle.dumps(hostile.Touch(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


def test_there_are_at_least_fifty_of_them(tmp_path):
    assert sum(len(make(tmp_path / "executed")) for _, make in READERS.values()) >= 100
