"""WFDB records. The oracle is a writer from the published layout, bit by bit."""

import random

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import wfdb


def put(folder, samples, name="7", **changes):
    samples = np.asarray(samples)
    flat = [int(value) & 0xFFF for value in samples.reshape(-1)]
    data = bytearray()
    for first, second in zip(flat[::2], [*flat[1::2], 0][: (len(flat) + 1) // 2], strict=True):
        data += bytes([first & 0xFF, first >> 8 | second >> 8 << 4, second & 0xFF])
    if len(flat) % 2:
        data = data[:-1]
    sums = [(int(total) + 32768) % 65536 - 32768 for total in samples.sum(0)]
    lines = [f"{name} {samples.shape[1]} 360 {len(samples)}"]
    lines += [f"{name}.dat 212 200 11 1024 {samples[0, c]} {total} 0 lead {c}" for c, total in enumerate(sums)]
    (folder / f"{name}.dat").write_bytes(changes.get("data", data))
    (folder / f"{name}.hea").write_text(changes.get("header", "\n".join(lines) + "\n# a comment\n"))
    return folder / f"{name}.hea"


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 1), (5, 2), (4, 3), (101, 3)])
def test_samples_of_12_bits_come_back(tmp_path, shape):
    samples = np.random.default_rng(1).integers(-2048, 2048, shape)
    made = wfdb.read(put(tmp_path, samples))
    np.testing.assert_array_equal(made.samples_TC, samples)
    assert made.rate == 360
    assert made.signals[-1].name == f"lead {shape[1] - 1}"
    np.testing.assert_allclose(made.physical(), (samples - 1024) / 200, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": b"123"}, "7.dat: expected 6 bytes for 4 samples, got 3"),
        ({"data": bytes(6)}, "lead 0: expected checksum"),
        ({"header": ""}, "line 1: expected a name, signals, rate and samples"),
        ({"header": "7 2 360 2\n7.dat 212 200 11 1024 0 0 0 x\n"}, "line 1: expected 1 to 64 signals with a line each"),
        ({"header": "7 1 360 4\n7.dat 16 200 11 1024 0 0 0 x\n"}, "line 2: expected FILE 212 gain"),
        ({"header": "7 1 360 4\n../7.dat 212 200 11 1024 0 0 0 x\n"}, "line 2: expected FILE 212 gain"),
        (
            {"header": "7 1 360 4\n8.dat 212 200 11 1024 0 0 0 x\n"},
            "line 2: expected the file 8.dat beside it, got none",
        ),
        ({"header": "7 1 360 4\n7.dat 212 0 11 1024 0 0 0 x\n"}, "line 2: expected FILE 212 gain"),
    ],
)
def test_broken_records_are_refused(tmp_path, changes, words):
    with pytest.raises(FormatError, match=words):
        wfdb.read(put(tmp_path, [[1, 2], [3, 4]], **changes))


def word(kind, step):
    return (kind << 10 | step).to_bytes(2, "little")


def test_annotations_are_added_up(tmp_path):
    text = word(63, 3) + b"(N\0\0"
    skip = word(59, 0) + (1).to_bytes(2, "little") + (464).to_bytes(2, "little")  # 65536 + 464 = 66000
    (tmp_path / "a.atr").write_bytes(
        word(28, 18) + text + word(1, 59) + word(61, 1) + skip + word(5, 0) + word(8, 1023) + bytes(2)
    )
    made = wfdb.read_annotations(tmp_path / "a.atr")
    assert made.samples.tolist() == [18, 77, 66077, 67100]
    assert made.types.tolist() == [28, 1, 5, 8]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "byte 0: expected a word of 0 at the end"),
        (word(1, 5), "byte 2: expected a word of 0"),
        (word(59, 0) + b"12", "expected a word of 0"),
        (word(55, 5) + bytes(2), "byte 0: expected a type up to 49 and a time >= 0, got type 55"),
        (word(59, 0) + b"\xff\xff\0\0" + word(1, 0), "type 1 at sample -65536"),
    ],
)
def test_broken_annotations_are_refused(tmp_path, data, words):
    (tmp_path / "a.atr").write_bytes(data)
    with pytest.raises(FormatError, match=words):
        wfdb.read_annotations(tmp_path / "a.atr")


def test_any_bytes_are_an_error_or_a_record(tmp_path):
    order = random.Random(3)
    header = put(tmp_path, np.arange(12).reshape(6, 2))
    good = header.read_bytes()
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(order.choice((1, 3))):
            data[order.randrange(len(data))] = order.choice((0, 32, 45, 57, 255, order.randrange(256)))
        header.write_bytes(bytes(data[: order.choice((len(data), order.randrange(len(data))))]))
        (tmp_path / "a.atr").write_bytes(bytes(order.randrange(256) for _ in range(order.randrange(40))))
        for read, path in ((wfdb.read, header), (wfdb.read_annotations, tmp_path / "a.atr")):
            try:
                read(path)
            except FormatError:
                continue
