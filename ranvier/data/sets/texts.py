"""Texts in memory, as characters or as bytes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ranvier.core.errors import DataError, FormatError, ShapeError

_MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Text:
    """A text; ``len`` is its number of characters."""

    content: str

    def __len__(self) -> int:
        return len(self.content)

    @property
    def alphabet(self) -> str:
        """The characters that occur, sorted."""
        return "".join(sorted(set(self.content)))

    def codes(self, alphabet: str) -> Tensor:
        """Give the number of each character in an alphabet: (N,) int64.

        Raises: ShapeError, naming the first one, for a character that the alphabet lacks.
        """
        number = {character: index for index, character in enumerate(alphabet)}
        try:
            return torch.tensor([number[character] for character in self.content], dtype=torch.int64)
        except KeyError as error:
            at = self.content.index(error.args[0])
            expected = f"characters of an alphabet of {len(alphabet)}"
            raise ShapeError(f"Text, character {at}", expected=expected, got=repr(error.args[0])) from None

    def to_bytes(self) -> Tensor:
        """Give the text as UTF-8: (N,) uint8."""
        return torch.frombuffer(bytearray(self.content.encode()), dtype=torch.uint8) if self.content else torch.zeros(
            0, dtype=torch.uint8
        )  # fmt: skip


def read_text(path: Path) -> Text:
    """Read a file of UTF-8.

    Raises: FormatError, naming path and byte, if it is none; DataError if it cannot be read or exceeds 1 GiB.
    """
    try:
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise DataError(str(path), expected=f"a text of at most {_MAX_BYTES} bytes", got=f"{size} bytes")
        return decode(path.read_bytes(), where=str(path))
    except (PermissionError, IsADirectoryError) as error:
        raise DataError(str(path), expected="a readable file", got=str(error)) from error


def decode(data: bytes | bytearray, *, where: str) -> Text:
    """Decode UTF-8; as ``read_text``."""
    try:
        return Text(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{where}: byte {error.start}", expected="a text in UTF-8", got=error.reason) from error
