"""Bytes that once broke a decoder, or the way to it: read alike by the compiled decoder and its twin, however they are cut.

A file is named FORMAT-WHAT and holds what follows the header; tools/fuzz.py takes them as seeds.
"""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranvier.core.errors import RanvierError
from ranvier.data.formats import native
from ranvier.data.open import open_events
from tests.data.formats.battery import BY_NAME, some_events

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def read(recording):
    """The events and the report, or the words of the refusal."""
    try:
        return recording.read_with_report()
    except RanvierError as error:
        return str(error), None


@pytest.mark.skipif(native.absence() is not None, reason=str(native.absence()))
@pytest.mark.parametrize("mode", ["strict", "repair"])
@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_once_failed_is_read_as_the_twin_reads_it(file, mode, tmp_path):
    name, data = file.name.partition("-")[0], file.read_bytes()
    path = tmp_path / "a"
    BY_NAME[name].write(path, some_events(1, name=name))
    header = path.read_bytes()[: BY_NAME[name].open(path).start.position]
    path.write_bytes(header + (struct.pack("<ii", 0, len(data)) if name == "aedat4" else b"") + data)
    for size in (1 << 20, 97, 40, 1):
        recording = open_events(path, format=name, mode=mode, chunk_bytes=size)
        twin = replace(recording, reader=replace(recording.reader, compiled=None))
        (ours, report), (law, expected) = read(recording), read(twin)
        assert report == expected
        if report is None:
            assert ours == law
        else:
            for column in ("t", "x", "y", "polarity"):
                np.testing.assert_array_equal(getattr(ours, column), getattr(law, column))
