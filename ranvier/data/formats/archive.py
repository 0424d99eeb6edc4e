"""Zip archives read with suspicion: every size is checked against real bytes before anything is unpacked.

Stored, deflated and LZMA members of a zip or zip64 archive without encryption. Python's ``zipfile`` reads the
directory, once it is known where this lies and how large it is; unpacking is done here, because its LZMA reader has no
bound on what one compressed block may become.
Source: PKWARE APPNOTE 6.3.10, sections 4.3, 4.5.3 and 5.8.
"""

import lzma
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from ranvier.core.errors import FormatError

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_CHUNK = 1 << 16
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated", zipfile.ZIP_LZMA: "LZMA"}
_ALLOWANCE = 16 << 20  # small files may unpack to this whatever their ratio: labels that are all equal pack very well
_RATIO = 100


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def directory(path: Path, *, max_directory: int = 1 << 20, max_bytes: int | None = None) -> dict[str, zipfile.ZipInfo]:
    """List the members of a zip archive after checking that the list is sane.

    Args: path: the archive. max_directory: bytes that the list itself may have. max_bytes: what all members may unpack
        to together; None is 16 MiB + 100 times the size of the file.
    Returns: name -> entry, in the order of the file.
    Raises: FormatError for a broken directory, a name that escapes or occurs twice, an encrypted member, an unknown
        method, members that overlap or reach beyond the file, or a promise to unpack to more than ``max_bytes``.
    """
    size = path.stat().st_size
    count = _check_end(path, size, max_directory)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise FormatError(str(path), expected="a zip archive", got=f"a broken directory ({error})") from error
    if count is not None and len(entries) != count:
        raise FormatError(str(path), expected=f"the {count} members that the end record tells", got=str(len(entries)))
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        where = f"{path}: member {entry.filename!r}"
        _check_name(where, entry.orig_filename)
        if entry.filename in found:
            raise FormatError(where, expected="each name once", got="the name twice")
        if entry.flag_bits & 0x41:
            raise FormatError(where, expected="a readable member", got="an encrypted one")
        if entry.compress_type not in _METHODS:
            known = ", ".join(_METHODS.values())
            raise FormatError(where, expected=f"a member that is {known}", got=f"zip method {entry.compress_type}")
        found[entry.filename] = entry
    _check_layout(path, size, entries)
    limit = _ALLOWANCE + _RATIO * size if max_bytes is None else max_bytes
    total = sum(entry.file_size for entry in entries)
    if total > limit:
        raise FormatError(
            str(path),
            expected=f"at most {limit} bytes when unpacked",
            got=f"{total} declared by a file of {size} bytes",
        )
    return found


def read(path: Path, entry: zipfile.ZipInfo) -> bytearray:
    """Unpack one member that ``directory`` listed; memory follows the bytes that are really there.

    Raises: FormatError, naming member and byte offset, if it is truncated, unpacks to another size than declared, or
        fails its CRC.
    """
    where = f"{path}: member {entry.filename!r}"
    with path.open("rb") as file:
        start = _find_data(file, where, entry)
        file.seek(start)
        out = bytearray()
        crc = 0
        for piece in _unpack(file, where, entry):
            out += piece
            crc = zlib.crc32(piece, crc)
            if len(out) > entry.file_size:
                break
    if len(out) != entry.file_size:
        more = "more" if len(out) > entry.file_size else f"{len(out)} (data from byte {start})"
        raise FormatError(where, expected=f"{entry.file_size} bytes when unpacked", got=more)
    if crc != entry.CRC:
        raise FormatError(where, expected=f"CRC {entry.CRC:08x}", got=f"{crc:08x}", mend="The file is damaged.")
    return out


def extract(path: Path, entry: zipfile.ZipInfo, target: Path) -> Path:
    """Write one member that ``directory`` listed to ``target``, a name of the caller's; memory stays small.

    ``target`` appears when all of it is written and its CRC is right.

    Raises: as ``read``.
    """
    where = f"{path}: member {entry.filename!r}"
    target.parent.mkdir(parents=True, exist_ok=True)
    size = crc = 0
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as out:
        part = Path(out.name)
        try:
            with path.open("rb") as file:
                start = _find_data(file, where, entry)
                file.seek(start)
                for piece in _unpack(file, where, entry):
                    size += len(piece)
                    crc = zlib.crc32(piece, crc)
                    if size > entry.file_size:
                        break
                    out.write(piece)
            if size != entry.file_size:
                got = "more" if size > entry.file_size else f"{size} (data from byte {start})"
                raise FormatError(where, expected=f"{entry.file_size} bytes when unpacked", got=got)
            if crc != entry.CRC:
                raise FormatError(where, expected=f"CRC {entry.CRC:08x}", got=f"{crc:08x}", mend="The file is damaged.")
            out.close()
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return target


def _check_end(path: Path, size: int, max_directory: int) -> int | None:
    """Check what the end of the archive says of the directory; give the number of members if it is of zip64."""
    before = _LOCATOR64.size + _END64.size
    tail_size = min(size, _END.size + 65535 + before)
    with path.open("rb") as file:
        file.seek(size - tail_size)
        tail = file.read(tail_size)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise FormatError(
            f"{path}: byte {size}", expected="a zip archive", got="no end record; truncated or another format"
        )
    end = _END.unpack_from(tail, at)
    where = f"{path}: byte {size - tail_size + at}"
    count, declared = None, int(end[5])
    if tail[max(0, at - _LOCATOR64.size) : at].startswith(b"PK\6\7"):
        count, declared = _check_end64(path, tail, at, size - tail_size, end)
    if declared > max_directory:
        raise FormatError(where, expected=f"a directory of at most {max_directory} bytes", got=f"{declared} declared")
    return count


def _check_end64(path: Path, tail: bytes, at: int, first: int, end: tuple[int, ...]) -> tuple[int, int]:
    """Check the end record of zip64, which lies before its locator, that before the plain end record at ``at``.

    Args: tail: the last bytes of the file, from byte ``first`` on. end: the plain end record.
    Returns: the number of members and the bytes of the directory.
    """
    place = at - _LOCATOR64.size - _END64.size
    where = f"{path}: byte {first + place}"
    if place < 0 or tail[place : place + 4] != b"PK\6\6":
        raise FormatError(where, expected="an end record of zip64 before its locator", got="other bytes")
    _, length, _, _, disk, disk_start, here, count, size, offset = _END64.unpack_from(tail, place)
    _, disk_end, told, disks = _LOCATOR64.unpack_from(tail, place + _END64.size)
    if length != _END64.size - 12:
        expected = f"an end record of zip64 of {_END64.size - 12} bytes, nothing behind them"
        raise FormatError(where, expected=expected, got=f"{length} bytes")
    if disk or disk_start or disk_end or disks > 1 or here != count:
        raise FormatError(
            where, expected="an archive of one file", got=f"{here} of {count} members in part {disk + 1} of {disks}"
        )
    # Bytes before the archive move all places in it alike, so it tells by itself where it begins.
    start = first + place - size - offset
    if start < 0:
        got = f"{size} bytes from byte {offset} on"
        raise FormatError(where, expected=f"a directory that ends here, at byte {first + place}", got=got)
    if told + start != first + place:
        raise FormatError(where, expected=f"a locator of this end record, {first + place - start}", got=str(told))
    for plain, wide, most in ((end[4], count, 0xFFFF), (end[5], size, 0xFFFFFFFF), (end[6], offset, 0xFFFFFFFF)):
        if plain not in (wide, most):
            raise FormatError(where, expected="what the plain end record tells", got=f"{wide} where that tells {plain}")
    return count, size


def _check_name(where: str, name: str) -> None:
    parts = re.split(r"[/\\]", name)
    if "\0" in name or not name or name[0] in "/\\" or ":" in parts[0] or ".." in parts:
        raise FormatError(where, expected="a name inside the archive", got=f"{name!r}, which escapes from it")


def _check_layout(path: Path, size: int, entries: list[zipfile.ZipInfo]) -> None:
    end_before, name_before = 0, ""
    for entry in sorted(entries, key=lambda e: e.header_offset):
        where = f"{path}: member {entry.filename!r}"
        end = entry.header_offset + _LOCAL.size + entry.compress_size
        if entry.header_offset < 0 or end > size:
            raise FormatError(where, expected=f"data within the {size} bytes of the file", got=f"an end at byte {end}")
        if entry.header_offset < end_before:
            raise FormatError(where, expected="its own bytes", got=f"bytes shared with {name_before!r}")
        end_before, name_before = end, entry.filename


def _find_data(file: BinaryIO, where: str, entry: zipfile.ZipInfo) -> int:
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise FormatError(f"{where}, byte {entry.header_offset}", expected="a local header", got=repr(header[:4]))
    name_length, extra_length = _LOCAL.unpack(header)[9:]
    return entry.header_offset + _LOCAL.size + int(name_length) + int(extra_length)


def _unpack(file: BinaryIO, where: str, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the unpacked bytes in small pieces, at most one piece more than the entry declares."""
    packed_left = entry.compress_size
    if entry.compress_type == zipfile.ZIP_STORED:
        while packed_left and (piece := file.read(min(_CHUNK, packed_left))):
            packed_left -= len(piece)
            yield piece
        return
    if entry.compress_type == zipfile.ZIP_LZMA:
        unpacker, used = _lzma_unpacker(file, where, entry)
        packed_left -= used
    else:
        unpacker = _Inflater()
    out_left = entry.file_size + 1
    try:
        while out_left > 0 and not unpacker.eof:
            packed = file.read(min(_CHUNK, max(packed_left, 0))) if unpacker.needs_input else b""
            packed_left -= len(packed)
            piece = unpacker.decompress(packed, min(out_left, 16 * _CHUNK))
            if not piece and not packed:
                return
            out_left -= len(piece)
            yield piece
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        got = f"broken data near byte {file.tell()} ({error})"
        raise FormatError(where, expected=f"{_METHODS[entry.compress_type]} data", got=got) from error


class _Inflater:
    """zlib's inflate with the interface of ``lzma``: input that was not used yet stays inside."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-15)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _lzma_unpacker(file: BinaryIO, where: str, entry: zipfile.ZipInfo) -> tuple[_Unpacker, int]:
    head = file.read(9)
    if len(head) < 9 or head[2:4] != b"\5\0" or head[4] >= 225:
        raise FormatError(where, expected="LZMA properties of 5 bytes", got=head.hex() or "nothing")
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    # A window wider than the output is never used, so a declared 4 GiB costs nothing.
    window = min(int.from_bytes(head[5:9], "little"), max(entry.file_size, 4096))
    chain = [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": max(window, 4096)}]
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain), 9
    except (lzma.LZMAError, ValueError) as error:
        raise FormatError(where, expected="usable LZMA properties", got=f"{head[4:9].hex()} ({error})") from error
