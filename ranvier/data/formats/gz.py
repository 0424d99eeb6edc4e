"""A gzip file as a stream of bytes with places, unpacked on the way and never whole.

A file may unpack to 1 GiB + 100 times its size, and to 1 TiB at most; going back means to unpack from the start.
"""

import io
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

MAGIC = b"\x1f\x8b"
_PIECE = 1 << 16
_RATIO, _ALLOWANCE, _MOST = 100, 1 << 30, 1 << 40


class GzipStream:
    """Reads the bytes that a gzip file unpacks to, up to where it is broken or exceeds its bound."""

    def __init__(self, path: Path, end: int | None = None) -> None:
        self._file = path.open("rb")
        self._end = end
        self._most = min(_MOST, _ALLOWANCE + _RATIO * path.stat().st_size)
        self.trouble = ""  # why reading ended before the end of the file
        self._rewind()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _rewind(self) -> None:
        self._file.seek(0)
        self._inner = zlib.decompressobj(31)
        self._ready = b""
        self._packed = b""
        self._at = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte; the end is where ``measure`` found it."""
        if whence == 2:
            assert self._end is not None
            offset = self._end
            return offset
        if offset < self._at:
            self._rewind()
        while self._at < offset:
            if not self.read(min(offset - self._at, 16 * _PIECE)):
                break
        return self._at

    def read(self, num: int, /) -> bytes:
        """Read up to ``num`` bytes; fewer only at the end."""
        out = io.BytesIO()
        left = num if self._end is None else min(num, self._end - self._at)
        while left > 0:
            if not self._ready:
                self._ready = self._more()
                if not self._ready:
                    break
            piece, self._ready = self._ready[:left], self._ready[left:]
            left -= len(piece)
            self._at += len(piece)
            out.write(piece)
        return out.getvalue()

    def _more(self) -> bytes:
        """Unpack some bytes; none at the end, and then ``trouble`` says why if it is no proper one."""
        if self._at > self._most:
            self.trouble = f"more than {self._most} bytes when unpacked"
            return b""
        try:
            while True:
                if self._inner.eof:
                    rest = self._inner.unused_data or self._file.read(_PIECE)
                    if not rest.startswith(MAGIC[:1]):
                        self.trouble = "bytes after the gzip stream" if rest.strip(b"\0") else ""
                        return b""
                    self._inner, self._packed = zlib.decompressobj(31), rest
                packed = self._inner.unconsumed_tail or self._packed or self._file.read(_PIECE)
                self._packed = b""
                if not packed:
                    self.trouble = "the end of the file within a gzip stream"
                    return b""
                piece = self._inner.decompress(packed, 4 * _PIECE)
                if piece:
                    return piece
        except zlib.error as error:
            self.trouble = f"broken gzip data ({error})"
            return b""


def measure(path: Path) -> tuple[int, str]:
    """Unpack once: how many bytes there are, and why there are not more, if the file is broken."""
    total = 0
    with GzipStream(path) as stream:
        while piece := stream.read(1 << 20):
            total += len(piece)
        return total, stream.trouble
