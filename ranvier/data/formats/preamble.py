"""Headers of text before binary data: lines that begin with a mark, up to the first that does not.

Shared by Prophesee's RAW and DAT ("%") and AEDAT 2.0 and 3.1 ("#").
"""

from pathlib import Path
from typing import NamedTuple

from ranvier.core.errors import EventFormatError

_MAX_BYTES = 4 << 20
_MAX_LINE = 1 << 16
_USUAL = 1 << 12


class Preamble(NamedTuple):
    """The lines of a header without their marks, and the byte after it."""

    lines: tuple[str, ...]
    end: int


def split(head: bytes, mark: str, *, last: str | None = None) -> Preamble:
    """Split the header off; a line named ``last`` ends it.

    A line must be text: data whose first byte happens to be the mark are told from it by that.
    """
    lines: list[str] = []
    at, sign = 0, mark.encode()
    while head.startswith(sign, at):
        stop = head.find(b"\n", at, at + _MAX_LINE)
        if stop < 0:
            break
        line = head[at:stop].rstrip(b"\r")
        if any(byte < 32 and byte != 9 for byte in line):
            break
        lines.append(line[len(sign) :].decode("utf-8", "replace").strip())
        at = stop + 1
        if last is not None and lines[-1] == last:
            break
    return Preamble(tuple(lines), at)


def read(path: Path, mark: str, *, last: str | None = None) -> Preamble:
    """Read the header of a file.

    Raises: EventFormatError if it is longer than 4 MiB.
    """
    with path.open("rb") as file:
        head = file.read(_USUAL)
        found = split(head, mark, last=last)
        if head[found.end : found.end + 1] not in (b"", mark.encode()):
            return found  # data follows: more bytes tell nothing else
        head += file.read(2 * _MAX_LINE - len(head))
        found = split(head, mark, last=last)
        if found.end + _MAX_LINE >= len(head) == 2 * _MAX_LINE:  # the next line may be cut
            found = split(head + file.read(_MAX_BYTES + 1 - len(head)), mark, last=last)
    if found.end >= _MAX_BYTES:
        expected, got = f"a header of at most {_MAX_BYTES} bytes", "more"
        raise EventFormatError(f"{path}: byte 0", expected=expected, got=got, path=str(path), offset=0)
    return found


def fields(lines: tuple[str, ...]) -> dict[str, str]:
    """Give "key value" or "key: value" lines as a dict; of equal keys the first counts."""
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        if key and len(found) < 1000:
            found.setdefault(key.removesuffix(":"), value.strip())
    return found
