"""No hostile file runs code, escapes, hangs, or takes more memory than a few times what it holds."""

import gzip
import importlib.util
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import cifar, idx, npz

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)

MEMORY = 64 << 20  # plus four times the file
SECONDS = 2.0  # of the processor
AT_LEAST = {"npz": 50, "idx": 20, "tar": 20}
READERS = {
    "npz": (npz.read, hostile.npz_files),
    "idx": (idx.read, lambda marker: hostile.idx_files()),
    "tar": (lambda path: cifar.read_archive(path, cifar.TEST), lambda marker: hostile.tar_files()),
}
GOOD = {
    "npz": [
        hostile.zipped({"a.npy": hostile.npy(np.arange(50)), "b.npy": hostile.npy(np.ones((2, 3)))}, m)
        for m in (0, 8, 14)
    ],
    "idx": [idx_bytes := struct.pack(">BBBBII", 0, 0, 8, 2, 3, 4) + bytes(12), gzip.compress(idx_bytes)],
    "tar": [tar_bytes := hostile.tarred("test_batch.bin", data=bytes(3073)), gzip.compress(tar_bytes)],
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
    begin = time.process_time()
    try:
        text = refusal(read, path)
        return text, time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reader", READERS)
def test_every_hostile_file_is_refused_quickly_with_bounded_memory(reader, tmp_path):
    read, make = READERS[reader]
    marker, path = tmp_path / "executed", tmp_path / "file"
    files = make(marker)
    assert len(files) >= AT_LEAST[reader]
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


def mutated(data, random):
    """The file truncated, with flipped bits, with a word of 0, 127, 128 or 255, or with a part moved to its end."""
    data, at = bytearray(data), int(random.integers(len(data)))
    kind = random.integers(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        data[at] ^= 1 << random.integers(8)
    elif kind == 2:
        data[at : at + 4] = bytes([random.choice([0, 127, 128, 255])]) * 4
    else:
        data = data[: at // 2] + data[at:] + data[at // 2 : at]
    return data


@pytest.mark.parametrize("reader", READERS)
def test_mutated_files_are_read_or_refused_and_nothing_else(reader, tmp_path):
    read, _ = READERS[reader]
    random, path = np.random.default_rng(0), tmp_path / "file"
    refused = 0
    for round_ in range(600):
        good = GOOD[reader][round_ % len(GOOD[reader])]
        path.write_bytes(mutated(good, random))
        refused += bool(refusal(read, path))
    assert refused > 100
    for good in GOOD[reader]:
        path.write_bytes(good)
        assert refusal(read, path) == ""
