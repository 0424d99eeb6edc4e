"""MATLAB 5 files. The oracle is the published layout, written down in ``made``."""

import random
import struct
import warnings
import zlib

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import mat

CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9, "i8": 12, "u8": 13}
CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}


def element(kind, data, order):
    if len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(name, numbers, *, kind=None, stored=None, order="<", flags=0):
    kind = kind or numbers.dtype.str[1:]
    body = element(6, struct.pack(order + "II", CLASSES[kind] | flags, 0), order)
    body += element(5, struct.pack(f"{order}{numbers.ndim}i", *numbers.shape), order)
    body += element(1, name.encode(), order)
    body += element(CODES[stored or kind], numbers.astype(order + (stored or kind)).tobytes(order="F"), order)
    return struct.pack(order + "II", 14, len(body)) + body


def made(*arrays, packed=False, order="<"):
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    for each in arrays:
        data = zlib.compress(each)
        out += struct.pack(order + "II", 15, len(data)) + data if packed else each
    return out


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", CLASSES)
def test_numbers_of_every_class_are_read(kind, packed, order):
    numbers = np.arange(12).reshape(3, 4).astype(kind)
    for stored in (kind, "u1", "i4"):
        one, two = array("a", numbers, stored=stored, order=order), array("bcdef", numbers[:1, :1], order=order)
        found = mat.parse(made(one, two, packed=packed, order=order), ["bcdef", "a"])
        np.testing.assert_array_equal(found["a"], numbers)
        np.testing.assert_array_equal(found["bcdef"], numbers[:1, :1])
        assert found["a"].dtype == kind


def test_three_axes_and_none_of_a_kind_are_read():
    numbers = np.arange(24.0).reshape(2, 3, 4)
    found = mat.parse(made(array("a", numbers), array("none", np.zeros((0, 1)))), ["a", "none"])
    np.testing.assert_array_equal(found["a"], numbers)
    assert found["none"].shape == (0, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "byte 0: expected a MATLAB 5 file"),
        (made()[:127], "expected a MATLAB 5 file"),
        (made(array("b", np.zeros((2, 2)))), "expected numeric arrays a, got no a"),
        (made(array("a", np.zeros((2, 2)), flags=0x800)), "array 'a': expected real numbers"),
        (made(array("a", np.zeros((2, 2))))[:-1], "expected an element within the file"),
        (
            made(array("a", np.full((2, 2), 300), kind="u1", stored="i4")),
            "array 'a': expected numbers of uint8, got others",
        ),
        (made(array("a", np.full((2, 2), np.nan), kind="i4", stored="f8")), "array 'a': expected numbers of int32"),
        (made(array("a", np.zeros((1,) * 9))), "array 'a': expected"),
    ],
)
def test_broken_files_are_refused(data, words):
    with pytest.raises(FormatError, match=words):
        mat.parse(data, ["a"])


def test_a_stream_that_swells_is_refused():
    empty = made(array("a", np.zeros((1 << 10, 1 << 9))), packed=True)
    assert len(empty) < 1 << 13
    with pytest.raises(FormatError, match="expected a whole zlib stream of modest size, got more than"):
        mat.parse(made(bytes(1 << 27), packed=True), ["a"])
    assert mat.parse(empty, ["a"])["a"].shape == (1 << 10, 1 << 9)


def test_any_bytes_are_an_error_or_numbers():
    order = random.Random(7)
    whole = [made(array("a", np.arange(6.0).reshape(2, 3)), packed=p, order=o) for p in (False, True) for o in "<>"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3000):
            data = bytearray(order.choice(whole))
            for _ in range(order.choice((1, 2, 8))):
                data[order.randrange(100, len(data))] = order.choice((0, 1, 127, 255, order.randrange(256)))
            try:
                found = mat.parse(bytes(data[: order.choice((len(data), order.randrange(len(data))))]), ["a"])
            except FormatError:
                continue
            assert found["a"].nbytes < 1 << 12
