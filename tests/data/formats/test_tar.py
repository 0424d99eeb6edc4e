import gzip
import io
import tarfile

import pytest

from ranvier.core.errors import FormatError
from ranvier.data.formats import tar


def made(path, *members, form=tarfile.USTAR_FORMAT, mode="w"):
    with tarfile.open(path, mode, format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def everything(path, max_bytes=1 << 20):
    return [(name, bytes(data)) for name, data in tar.members(path, lambda _: True, max_bytes=max_bytes)]


MEMBERS = (("a", b""), ("folder/b", b"x" * 511), ("c", bytes(range(256)) * 5))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_come_as_they_were_written(tmp_path, form, mode):
    assert everything(made(tmp_path / "t", *MEMBERS, form=form, mode=mode)) == list(MEMBERS)


def test_long_ustar_names_are_joined(tmp_path):
    name = "f" * 90 + "/" + "g" * 60
    assert everything(made(tmp_path / "t", (name, b"1"))) == [(name, b"1")]


def test_unwanted_members_are_passed_over(tmp_path):
    found = list(tar.members(made(tmp_path / "t", *MEMBERS), lambda name: name == "c", max_bytes=1 << 20))
    assert [name for name, _ in found] == ["c"]


def test_an_extended_header_is_skipped_unread(tmp_path):
    path = tmp_path / "t"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"path": "../../evil"}
        archive.addfile(info)
    assert everything(path) == [("a", b"")]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "t", "w") as archive:
        info = tarfile.TarInfo("evil")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(
        FormatError, match=r"unpacked byte 0: expected regular files and folders, got a .* named 'evil'"
    ):
        everything(tmp_path / "t")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil"])
def test_names_that_escape_are_refused(tmp_path, name):
    with pytest.raises(FormatError, match="which escapes from it"):
        everything(made(tmp_path / "t", (name, b"x")))


def test_a_bomb_is_stopped_at_the_limit(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(gzip.compress(made(tmp_path / "u", ("a", bytes(1 << 21))).read_bytes()))
    with pytest.raises(FormatError, match=r"expected at most 1048576 bytes in all, got 2097152 declared by 'a'"):
        everything(path)


@pytest.mark.parametrize("cut", [100, 512, 700, 1500])
def test_a_truncated_archive_is_refused(tmp_path, cut):
    data = made(tmp_path / "t", ("a", b"x" * 1000)).read_bytes()
    for packed in (data[:cut], gzip.compress(data[:cut])):
        (tmp_path / "t").write_bytes(packed)
        with pytest.raises(FormatError, match="unpacked byte"):
            everything(tmp_path / "t")


def test_a_flipped_bit_in_a_header_is_seen(tmp_path):
    data = bytearray(made(tmp_path / "t", ("a", b"x")).read_bytes())
    data[3] ^= 1
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(FormatError, match="expected a tar header, got a wrong checksum"):
        everything(tmp_path / "t")


def test_many_small_members_are_stopped_at_the_limit(tmp_path):
    path = made(tmp_path / "t", *((f"{i}", b"x") for i in range(40)))
    with pytest.raises(FormatError, match="expected at most 20000 bytes in all"):
        everything(path, max_bytes=20_000)


def test_broken_gzip_data_is_refused(tmp_path):
    data = bytearray(made(tmp_path / "t", *MEMBERS, mode="w:gz").read_bytes())
    data[60:80] = b"\xff" * 20
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(FormatError, match="expected gzip data, got broken data"):
        everything(tmp_path / "t")


def test_base_256_sizes_are_refused(tmp_path):
    data = bytearray(made(tmp_path / "t", ("a", b"x")).read_bytes())
    data[124:136] = b"\x80" + bytes(6) + b"\1" + bytes(4)
    total = sum(data[:148]) + sum(data[156:512]) + 8 * 32
    data[148:156] = b"%06o\0 " % total
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(FormatError, match="expected an octal number in a tar header"):
        everything(tmp_path / "t")
