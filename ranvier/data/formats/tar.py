"""Tar archives, gzipped or plain, read as a stream and never extracted: members come as bytes, names go nowhere.

Regular files and folders only: links, devices and sparse files are refused, extended headers are skipped unread.
Source: POSIX.1-1988 ustar, IEEE 1003.1.
"""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ranvier.core.errors import FormatError

_BLOCK = 512
_CHUNK = 1 << 16
_REGULAR, _FOLDER, _EXTENDED = b"0\0", b"5", b"xg"


def members(path: str | Path, wanted: Callable[[str], bool], *, max_bytes: int) -> Iterator[tuple[str, bytearray]]:
    """Yield name and bytes of each wanted regular file, in the order of the archive.

    Args: path: the archive; gzip is recognised by its first bytes. wanted: says which names to keep in memory.
        max_bytes: what the whole archive may unpack to.
    Raises: FormatError, naming the unpacked byte offset, for a broken header, a truncated member, a name that escapes
        (``..``, absolute), a link or a device, or more than ``max_bytes``.
    """
    path = Path(path)
    with path.open("rb") as file:
        stream = _Stream(path, file, max_bytes)
        while True:
            at = stream.position
            header = stream.take(_BLOCK)
            if not header.strip(b"\0"):
                if len(header) < _BLOCK:
                    raise FormatError(f"{path}: unpacked byte {at}", expected="an end block", got="the end of the file")
                stream.finish()
                return
            name, size, kind = _header(path, at, bytes(header))
            if size > max_bytes - stream.position:
                got = f"{size} declared by {name!r}"
                raise FormatError(f"{path}: unpacked byte {at}", expected=f"at most {max_bytes} bytes in all", got=got)
            keep = kind in _REGULAR and wanted(name)
            data = stream.take(size, keep=keep)
            stream.take(-size % _BLOCK, keep=False)
            if keep:
                yield name, data


def _header(path: Path, at: int, header: bytes) -> tuple[str, int, bytes]:
    where = f"{path}: unpacked byte {at}"
    if len(header) < _BLOCK:
        raise FormatError(where, expected=f"a tar header of {_BLOCK} bytes", got=f"{len(header)} bytes")
    stated = _octal(where, header[148:156])
    if stated != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
        raise FormatError(where, expected="a tar header", got="a wrong checksum")
    kind = header[156:157]
    name = header[:100].split(b"\0")[0].decode("utf-8", "replace")
    if header[257:262] == b"ustar" and (prefix := header[345:500].split(b"\0")[0]) and header[263:265] == b"00":
        name = f"{prefix.decode('utf-8', 'replace')}/{name}"
    if kind not in (*(bytes([k]) for k in _REGULAR + _EXTENDED), _FOLDER):
        kinds = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe"}
        got = f"{kinds.get(kind, f'type {kind!r}')} named {name!r}"
        raise FormatError(where, expected="regular files and folders", got=got)
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise FormatError(where, expected="a name inside the archive", got=f"{name!r}, which escapes from it")
    return name, 0 if kind == _FOLDER else _octal(where, header[124:136]), kind


def _octal(where: str, field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise FormatError(where, expected="an octal number in a tar header", got=repr(field))
    return int(digits, 8)


class _Stream:
    """The unpacked bytes of a file, in order, with a bound on their number."""

    def __init__(self, path: Path, file: BinaryIO, max_bytes: int) -> None:
        self._path, self._file, self._max = path, file, max_bytes
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self._inner = zlib.decompressobj(31) if gzipped else None
        self._ready = b""
        self.position = 0

    def take(self, count: int, *, keep: bool = True) -> bytearray:
        """Take ``count`` bytes; a header may be short at the end of the file, a member may not."""
        out, left = bytearray(), count
        while left:
            if not self._ready:
                self._ready = self._more()
                if not self._ready:
                    break
            piece, self._ready = self._ready[:left], self._ready[left:]
            left -= len(piece)
            self.position += len(piece)
            if keep:
                out += piece
            if self.position > self._max:
                where = f"{self._path}: unpacked byte {self.position}"
                raise FormatError(where, expected=f"at most {self._max} bytes in all", got="more")
        if left and count != _BLOCK:
            where = f"{self._path}: unpacked byte {self.position}"
            raise FormatError(where, expected=f"{left} more bytes of a member", got="the end of the file")
        return out

    def finish(self) -> None:
        """Read on to the end, so that the checksum of the gzip stream is checked."""
        while self._ready:
            self.take(len(self._ready), keep=False)
            self._ready = self._more()
        if self._inner is not None and not self._inner.eof:
            where = f"{self._path}: unpacked byte {self.position}"
            raise FormatError(where, expected="a whole gzip stream", got="the end of the file")

    def _more(self) -> bytes:
        if self._inner is None:
            return self._file.read(_CHUNK)
        try:
            while not self._inner.eof:
                tail = self._inner.unconsumed_tail
                packed = tail or self._file.read(_CHUNK)
                piece = self._inner.decompress(packed, 16 * _CHUNK)
                if piece or not packed:
                    return piece
        except zlib.error as error:
            where = f"{self._path}: unpacked byte {self.position}"
            raise FormatError(where, expected="gzip data", got=f"broken data ({error})") from error
        return b""
