import struct
import zipfile

import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import archive


def made(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def contents(path, **kwargs):
    return {name: bytes(archive.read(path, entry)) for name, entry in archive.directory(path, **kwargs).items()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_members_come_as_they_were_written(tmp_path, method):
    members = {"a": b"", "folder/b": b"hello" * 1000, "c": bytes(range(256))}
    assert contents(made(tmp_path / "z", members, method)) == members


def test_bytes_before_the_archive_do_no_harm(tmp_path):
    data = made(tmp_path / "z", {"a": b"hello"}).read_bytes()
    (tmp_path / "z").write_bytes(b"#!/bin/sh\n" + data)
    assert contents(tmp_path / "z") == {"a": b"hello"}


def test_a_flipped_bit_is_seen(tmp_path):
    data = bytearray(made(tmp_path / "z", {"a": b"hello" * 9}).read_bytes())
    data[40] ^= 1
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(FormatError, match=r"member 'a': expected CRC .* The file is damaged"):
        contents(tmp_path / "z")


def test_a_member_that_unpacks_to_more_than_declared_is_cut_short(tmp_path):
    data = bytearray(made(tmp_path / "z", {"a": bytes(50_000_000)}, zipfile.ZIP_DEFLATED).read_bytes())
    at = data.rfind(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, 10)
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(FormatError, match=r"expected 10 bytes when unpacked, got more"):
        contents(tmp_path / "z")


def test_bombs_are_refused_before_anything_is_unpacked(tmp_path):
    path = made(tmp_path / "z", {str(i): bytes(5_000_000) for i in range(4)}, zipfile.ZIP_LZMA)
    with pytest.raises(FormatError, match=r"expected at most \d+ bytes when unpacked, got 20000000 declared"):
        contents(path)
    assert len(contents(path, max_bytes=20_000_000)) == 4


def test_overlapping_members_are_refused(tmp_path):
    data = bytearray(made(tmp_path / "z", {"a": b"x" * 100, "b": b"y" * 100}).read_bytes())
    second = data.rfind(b"PK\1\2")
    struct.pack_into("<I", data, second + 42, 50)
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(FormatError, match=r"member 'b': expected its own bytes, got bytes shared with 'a'"):
        contents(tmp_path / "z")


@pytest.mark.parametrize(
    ("offset", "code", "value", "text"),
    [
        (8, "<H", 1, "expected a readable member, got an encrypted one"),
        (10, "<H", 12, "expected a member that is stored, deflated, LZMA, got zip method 12"),
        (20, "<I", 10**6, "expected data within the"),
        (42, "<I", 10**6, "expected data within the"),
        (42, "<I", 1, "expected a local header"),
    ],
)
def test_a_false_directory_is_refused(tmp_path, offset, code, value, text):
    data = bytearray(made(tmp_path / "z", {"a": b"x" * 100}).read_bytes())
    struct.pack_into(code, data, data.rfind(b"PK\1\2") + offset, value)
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(FormatError, match=text):
        contents(tmp_path / "z")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:evil"])
def test_names_that_escape_are_refused(tmp_path, name):
    with pytest.raises(FormatError, match="which escapes from it"):
        contents(made(tmp_path / "z", {name: b"x"}))


def test_a_name_twice_is_refused(tmp_path):
    data = made(tmp_path / "z", {"a": b"1", "b": b"2"}).read_bytes()
    at = data.rfind(b"PK\1\2") + 46
    (tmp_path / "z").write_bytes(data[:at] + b"a" + data[at + 1 :])
    with pytest.raises(FormatError, match="expected each name once, got the name twice"):
        contents(tmp_path / "z")


def test_a_large_directory_is_refused_by_its_declared_size(tmp_path):
    path = made(tmp_path / "z", {f"{i:05}": b"" for i in range(300)})
    with pytest.raises(FormatError, match=r"expected a directory of at most 1000 bytes, got \d+ declared"):
        contents(path, max_directory=1000)


def test_another_file_is_no_archive(tmp_path):
    (tmp_path / "z").write_bytes(b"hello")
    with pytest.raises(FormatError, match="got no end record; truncated or another format"):
        contents(tmp_path / "z")


@pytest.mark.parametrize("props", [b"\xff\0\0\0\0", b"\xe0\0\0\1\0"])
def test_impossible_lzma_properties_are_refused(tmp_path, props):
    data = bytearray(made(tmp_path / "z", {"a": b"x" * 100}, zipfile.ZIP_LZMA).read_bytes())
    data[30 + 1 + 4 : 30 + 1 + 9] = props
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(FormatError, match="member 'a': expected"):
        contents(tmp_path / "z")


def test_a_huge_lzma_window_is_cut_down_to_the_output(tmp_path):
    data = bytearray(made(tmp_path / "z", {"a": b"x" * 100}, zipfile.ZIP_LZMA).read_bytes())
    data[30 + 1 + 5 : 30 + 1 + 9] = b"\xff\xff\xff\xff"
    (tmp_path / "z").write_bytes(data)
    assert contents(tmp_path / "z") == {"a": b"x" * 100}


def test_a_broken_directory_is_named(tmp_path):
    data = bytearray(made(tmp_path / "z", {"a": b"x" * 100}).read_bytes())
    data[data.rfind(b"PK\1\2")] = 0
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(FormatError, match=r"z: expected a zip archive, got a broken directory"):
        contents(tmp_path / "z")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_member_is_extracted_to_a_name_of_the_callers(tmp_path, method):
    data = bytes(range(256)) * 1000
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as packed:
        packed.writestr("deep/inside.bin", data)
    entry = archive.directory(tmp_path / "a.zip")["deep/inside.bin"]
    target = archive.extract(tmp_path / "a.zip", entry, tmp_path / "new" / "name.bin")
    assert target.read_bytes() == data
    assert [path.name for path in target.parent.iterdir()] == ["name.bin"]


@pytest.mark.parametrize("change", ["crc", "more", "fewer"])
def test_what_is_damaged_is_not_extracted_at_all(tmp_path, change):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", b"x" * 100_000)
    entry = archive.directory(tmp_path / "a.zip")["a"]
    if change == "crc":
        entry.CRC ^= 1
    else:
        entry.file_size += -1 if change == "more" else 1
    with pytest.raises(FormatError, match="expected (CRC|[0-9]+ bytes when unpacked)"):
        archive.extract(tmp_path / "a.zip", entry, tmp_path / "new" / "a")
    assert list((tmp_path / "new").iterdir()) == []
