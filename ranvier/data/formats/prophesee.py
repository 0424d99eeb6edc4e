"""What Prophesee's RAW formats (EVT2, EVT2.1, EVT3) share: the header of "%" lines and the sensor it tells of."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ShapeError
from ranvier.data.events import Events
from ranvier.data.formats import preamble
from ranvier.data.formats.faults import Fault
from ranvier.data.formats.unroll import KEY, read_notes

Ints = NDArray[Any]
_MAX_WORDS = 1 << 26
_USUAL = 1 << 12
_HEAD = 1 << 17  # bytes that hold any header but a very long one, whose lines have up to 64 KiB
# Cameras older than the "geometry" line, by what their plug-in is called.
_SENSORS = (("gen31", 480, 640), ("gen3", 480, 640), ("gen4", 720, 1280), ("imx636", 720, 1280), ("genx320", 320, 320))
_NAMES = {"2.0": "EVT2", "2.1": "EVT21", "3.0": "EVT3"}


class Header(NamedTuple):
    """The header of a RAW file."""

    version: str | None  # "2.0", "2.1" or "3.0"
    size: tuple[int, int] | None  # (H, W)
    facts: dict[str, Any]
    wraps: int  # periods of the time counter before the first word, told by our own writers
    legacy: bool  # EVT2.1 with the halves of its words swapped
    end: int


def parse(head: bytes) -> Header:
    """Parse the header at the start of ``head``."""
    found = preamble.split(head, "%", last="end")
    facts: dict[str, Any] = dict(preamble.fields(found.lines))
    words = str(facts.get("format", "")).split(";")
    options = dict(word.partition("=")[::2] for word in words[1:])
    version = facts.get("evt") or {name: number for number, name in _NAMES.items()}.get(words[0])
    if version in ("2", "3"):
        version += ".0"
    wraps = sum(count for record, count in read_notes(found.lines, 24 if version == "3.0" else 34)[:1] if record == 0)
    return Header(version, _size(facts, options), facts, wraps, options.get("endianness") == "legacy", found.end)


def read(path: Path) -> Header:
    """Read the header of a file."""
    with path.open("rb") as file:
        head = file.read(_USUAL)
        found = parse(head)
        if head[found.end : found.end + 1] not in (b"", b"%"):
            return found  # data follows: more bytes tell nothing else
        head += file.read(_HEAD - len(head))
        found = parse(head)
        return found if found.end < _HEAD // 2 else parse(head + file.read((1 << 20) - _HEAD))


def _size(facts: dict[str, Any], options: dict[str, str]) -> tuple[int, int] | None:
    if (match := re.fullmatch(r"([1-9]\d{0,4})\s*x\s*([1-9]\d{0,4})", str(facts.get("geometry", "")))) is not None:
        return int(match[2]), int(match[1])
    sides = [options.get(name, "") for name in ("height", "width")]
    if all(re.fullmatch(r"[1-9]\d{0,4}", side) for side in sides):
        return int(sides[0]), int(sides[1])
    plugin = str(facts.get("plugin_name", "")).lower()
    return next(((height, width) for name, height, width in _SENSORS if name in plugin), None)


def header_bytes(events: Events, version: str, wraps: int) -> bytes:
    """Make the header for events whose first time lies ``wraps`` periods of the counter after 0."""
    height, width = events.size
    lines = [f"evt {version}", f"format {_NAMES[version]};height={height};width={width}", f"geometry {width}x{height}"]
    lines += [f"{KEY} 0 {wraps}"] if wraps else []
    return "".join(f"% {line}\n" for line in (*lines, "end")).encode()


def repeated(values: Ints, markers: Ints, events: Ints) -> Ints:
    """Give each event the value of the latest marker before it.

    Args: values: one for what was before the first marker, then one a marker. markers, events: rising word numbers.
    """
    borders = np.searchsorted(events, markers)
    counts = np.diff(borders, prepend=0, append=events.size)
    return np.repeat(values, counts)


def high_words(high: NDArray[np.int64], bits: int, where: str) -> tuple[Ints, Ints]:
    """Make the TIME_HIGH values that lead a reader through ``high``, a non-decreasing counter of more than ``bits``.

    A wrap is seen as a step from the largest value to 0, so a gap of k periods takes k such pairs.
    Returns: how many words go before each event, and the values of all of them in order.
    Raises: ShapeError if it takes more than 2^26 words.
    """
    top = (1 << bits) - 1
    wraps = np.diff(high >> bits, prepend=(high[0] >> bits) if high.size else 0)
    changed = np.diff(high, prepend=high[0] - 1 if high.size else 0) != 0
    total = 2 * int(wraps.sum()) + int(changed.sum())
    if total > _MAX_WORDS:
        got = f"gaps of {int(wraps.sum())} periods of its counter in all"
        expected = f"gaps that take at most {_MAX_WORDS} words of time"
        raise ShapeError(where, expected=expected, got=got, mend="Write AEDAT 4 or HDF5 instead.")
    counts = 2 * wraps + changed
    values = np.zeros(total, np.int64)
    ends = np.cumsum(counts)
    rank = np.arange(total) - np.repeat(ends - counts, counts)
    values[rank % 2 == 0] = top
    values[ends[changed] - 1] = high[changed] & top
    return counts, values


def told(
    kind: NDArray[np.uint8], known: tuple[int, ...], at: int, record: int
) -> tuple[tuple[Fault, ...], dict[str, int]]:
    """Count the words that are no events, and find those of types that the format does not have."""
    counts = np.bincount(kind, minlength=16).tolist()
    if sum(counts) == sum(counts[k] for k in known):
        return counted(counts, known, record, at, -1)
    index = int(np.argmax(~np.isin(kind, known)))
    return counted(counts, known, record, at + index * record, int(kind[index]))


def counted(
    counts: list[int], known: tuple[int, ...], record: int, at: int, kind: int
) -> tuple[tuple[Fault, ...], dict[str, int]]:
    """Tell of words by how many there are of each of 16 types; ``at`` and ``kind`` are the first unknown one's."""
    others = {
        name: count for name, count in (("triggers", counts[10]), ("vendor words", counts[14] + counts[15])) if count
    }
    bad = sum(counts) - sum(counts[k] for k in known)
    if not bad:
        return (), others
    expected = "a word of type " + ", ".join(map(str, known))
    return (Fault("unknown word", at, expected, f"type {kind}", bad, bad * record),), others


def expand(masks: Ints) -> tuple[Ints, NDArray[np.int64]]:
    """Give, for each bit that is set in masks of 16 or 32 bits, the mask's number and the bit's, in order."""
    lone = masks & (masks - masks.dtype.type(1)) == 0
    counts = (masks != 0).astype(np.int64)
    several = np.flatnonzero(~lone)
    width = 8 * masks.dtype.itemsize
    flat = np.ascontiguousarray(masks[several], masks.dtype.newbyteorder("<")).view(np.uint8)
    bits = np.flatnonzero(np.unpackbits(flat, bitorder="little"))
    counts[several] = np.bincount(bits // width, minlength=several.size)
    of = np.repeat(np.arange(masks.size), counts)
    single = lone[of]
    bit = np.empty(of.size, np.int64)
    bit[~single] = bits % width
    # The exponent of a power of two, which float32 holds exactly.
    bit[single] = np.frexp(masks[of[single]].astype(np.float32))[1] - 1
    return of, bit
