"""Bytes of a file that nobody has read yet: a compiled decoder reads them by itself, piece by piece."""

import os
from pathlib import Path
from typing import overload

from ranvier.core.errors import DataError


class Stretch:
    """Bytes ``at`` to ``at + num`` of a file, open as ``file`` while a decoder is called with them.

    Raises: DataError, whenever bytes are taken, if the file has become shorter.
    """

    def __init__(self, path: Path, file: int, at: int, num: int) -> None:
        self.file, self.at = file, at
        self._path, self._num = path, num

    def __len__(self) -> int:
        return self._num

    @overload
    def __getitem__(self, which: int) -> int: ...

    @overload
    def __getitem__(self, which: slice) -> bytes: ...

    def __getitem__(self, which: int | slice) -> int | bytes:
        """Read one byte, or bytes one after the other, while the file is open."""
        first, stop, _ = (slice(which, which + 1) if isinstance(which, int) else which).indices(self._num)
        found = self._whole(os.pread(self.file, max(stop - first, 0), self.at + first), max(stop - first, 0))
        return found[0] if isinstance(which, int) else found

    def part(self, first: int, num: int) -> "Stretch":
        """Give bytes of this stretch as one of their own."""
        return Stretch(self._path, self.file, self.at + first, num)

    def __bytes__(self) -> bytes:
        """Read all, at any time."""
        with self._path.open("rb") as file:
            file.seek(self.at)
            return self._whole(file.read(self._num), self._num)

    def _whole(self, found: bytes, num: int) -> bytes:
        if len(found) < num:
            raise self.changed()
        return found

    def changed(self) -> DataError:
        """Make the error of a file that is no longer what it was."""
        return DataError(str(self._path), expected="the bytes it had when it was opened", got="fewer, or others")
