"""Zip64 archives: those that ``zipfile`` writes are read, those that lie about themselves are refused."""

import struct
import zipfile

import numpy as np
import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import archive
from tests.data.formats.battery import mutate
from tests.data.formats.test_archive import contents

MEMBERS = {"a": b"hello" * 50, "folder/b": bytes(range(256)), "c": b""}
END, LOCATOR, END64 = 22, 20, 56


@pytest.fixture
def small_limits(monkeypatch):
    """Let zipfile write what it otherwise writes beyond 4 GiB."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)


def written(path, method=zipfile.ZIP_STORED, members=MEMBERS):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            with file.open(name, "w", force_zip64=True) as member:
                member.write(data)
    return path


def by_hand(first=b"", members=MEMBERS, *, end64=None, locator=None, plain=None, extra=None):
    """An archive of stored members whose directory is zip64 throughout; fields of its records may be given others.

    Args: extra: from the sizes and the place of a member to its zip64 field.
    """
    body, central = b"", b""
    for name, data in members.items():
        raw, crc, place = name.encode(), zipfile.crc32(data), len(body)
        wide = struct.pack("<HHQQQ", 1, 24, len(data), len(data), place) if extra is None else extra(data, place)
        fields = struct.pack("<HHHHHIII", 45, 0, 0, 0, 33, crc, 0xFFFFFFFF, 0xFFFFFFFF)
        both = struct.pack("<HHQQ", 1, 16, len(data), len(data))
        body += b"PK\3\4" + fields + struct.pack("<HH", len(raw), len(both)) + raw + both + data
        central += b"PK\1\2" + struct.pack("<H", 45) + fields
        central += struct.pack("<HHHHHII", len(raw), len(wide), 0, 0, 0, 0, 0xFFFFFFFF) + raw + wide
    last = {
        "length": 44,
        "version": 45,
        "needed": 45,
        "disk": 0,
        "start": 0,
        "here": len(members),
        "count": len(members),
    }
    last |= {"size": len(central), "offset": len(body)} | (end64 or {})
    found = {"disk": 0, "told": len(body) + len(central), "disks": 1} | (locator or {})
    end = {"disk": 0xFFFF, "start": 0xFFFF, "here": 0xFFFF, "count": 0xFFFF, "size": 0xFFFFFFFF, "offset": 0xFFFFFFFF}
    return (
        first + body + central + b"PK\6\6" + struct.pack("<QHHIIQQQQ", *last.values())
        + b"PK\6\7" + struct.pack("<IQI", *found.values())
        + b"PK\5\6" + struct.pack("<HHHHIIH", *(end | (plain or {})).values(), 0)
    )  # fmt: skip


def put(tmp_path, data):
    (tmp_path / "z").write_bytes(data)
    return tmp_path / "z"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_members_with_sizes_of_64_bits_come_as_they_were_written(tmp_path, method):
    assert contents(written(tmp_path / "z", method)) == MEMBERS


def test_a_directory_of_zip64_is_read(tmp_path, small_limits):
    path = written(tmp_path / "z")
    assert path.read_bytes()[-END - LOCATOR :].startswith(b"PK\6\7")
    assert contents(path) == MEMBERS
    target = archive.extract(path, archive.directory(path)["folder/b"], tmp_path / "b")
    assert target.read_bytes() == MEMBERS["folder/b"]


@pytest.mark.parametrize("first", [b"", b"#!/bin/sh\n"])
def test_an_archive_made_by_hand_is_read_wherever_it_begins(tmp_path, first):
    assert contents(put(tmp_path, by_hand(first))) == MEMBERS


def test_a_comment_behind_it_does_no_harm(tmp_path, small_limits):
    path = written(tmp_path / "z")
    with zipfile.ZipFile(path, "a") as file:
        file.comment = b"x" * 65535
    assert contents(path) == MEMBERS


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"end64": {"size": 1 << 40}}, r"expected a directory that ends here, at byte \d+, got 1099511627776 bytes"),
        ({"end64": {"size": (1 << 64) - 1}}, "expected a directory that ends here"),
        ({"end64": {"offset": 1 << 62}}, "expected a directory that ends here"),
        ({"end64": {"offset": 5}}, "expected a locator of this end record"),
        ({"end64": {"size": 60}}, "expected a locator of this end record"),
        ({"locator": {"told": 1 << 50}}, r"expected a locator of this end record, \d+, got 1125899906842624"),
        ({"locator": {"told": 0}}, "expected a locator of this end record"),
        ({"locator": {"disk": 1}}, "expected an archive of one file"),
        ({"locator": {"disks": 2}}, "expected an archive of one file, got 3 of 3 members in part 1 of 2"),
        ({"end64": {"disk": 4}}, "expected an archive of one file"),
        ({"end64": {"here": 2}}, "expected an archive of one file, got 2 of 3 members"),
        ({"end64": {"length": 1 << 60}}, "expected an end record of zip64 of 44 bytes, nothing behind them"),
        ({"end64": {"here": 4, "count": 4}}, "expected the 4 members that the end record tells, got 3"),
        ({"end64": {"here": 1 << 60, "count": 1 << 60}}, "expected the 1152921504606846976 members"),
        ({"plain": {"count": 2}}, "expected what the plain end record tells, got 3 where that tells 2"),
        ({"plain": {"size": 7}}, "expected what the plain end record tells"),
        ({"plain": {"offset": 7}}, "expected what the plain end record tells"),
    ],
)
def test_end_records_that_lie_are_refused(tmp_path, given, text):
    with pytest.raises(FormatError, match=text):
        contents(put(tmp_path, by_hand(**given)))


def wide(size=0, packed=0, place=0):
    """A zip64 field whose numbers are moved by these."""
    return lambda data, at: struct.pack("<HHQQQ", 1, 24, max(len(data) + size, 0), len(data) + packed, at + place)


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (wide(size=1 << 40), r"expected at most \d+ bytes when unpacked"),
        (wide(size=1), "expected 251 bytes when unpacked, got 250"),
        (wide(size=-1), "expected 249 bytes when unpacked, got more"),
        (wide(packed=1 << 40), "expected data within the"),
        (wide(place=1 << 40), "expected data within the"),
        (wide(place=1), "expected a local header"),
        (
            lambda data, at: struct.pack("<HHQQQ", 1, 24, len(data), len(data), 0),
            "expected its own bytes, got bytes shared",
        ),
        (lambda data, at: struct.pack("<HHQ", 1, 8, len(data)), "got a broken directory"),
        (lambda data, at: struct.pack("<HHQQQ", 1, 999, 0, 0, 0), "got a broken directory"),
        (lambda data, at: b"", "expected"),
    ],
)
def test_members_that_lie_are_refused(tmp_path, extra, text):
    with pytest.raises(FormatError, match=text):
        contents(put(tmp_path, by_hand(extra=extra)))


def test_a_large_directory_is_refused_by_its_declared_size(tmp_path):
    path = put(tmp_path, by_hand(members={f"{i:05}": b"" for i in range(100)}))
    with pytest.raises(FormatError, match=r"expected a directory of at most 1000 bytes, got \d+ declared"):
        contents(path, max_directory=1000)


def test_a_locator_without_its_record_is_refused(tmp_path):
    data = by_hand()
    at = data.rfind(b"PK\6\6")
    with pytest.raises(FormatError, match="expected an end record of zip64 before its locator, got other bytes"):
        contents(put(tmp_path, data[:at] + b"X" + data[at + 1 :]))
    with pytest.raises(FormatError, match="expected an end record of zip64 before its locator, got other bytes"):
        contents(put(tmp_path, data[-END - LOCATOR :]))


def test_mutated_archives_are_read_right_or_refused(tmp_path):
    data, r, refused = by_hand(), np.random.default_rng(3), 0
    for _ in range(1500):
        try:
            found = contents(put(tmp_path, mutate(data, r)))
        except FormatError:
            refused += 1
        else:
            assert all(found[name] == MEMBERS[name] for name in set(found) & set(MEMBERS))
    assert refused > 300
