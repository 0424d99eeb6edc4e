"""Time counters of few bits, unrolled to 64, and the notes in a header that tell of wraps which a counter cannot show.

A counter of 32 bits that stands still for longer than half its period cannot show how often it wrapped. Our writers
say it in comment lines of the header, ``t_wraps RECORD COUNT``: from that record on, COUNT periods are added. Readers
that do not know the line skip it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ShapeError

Note = tuple[int, int]  # record, periods to add from there on
KEY = "t_wraps"
_MAX_NOTES = 4096
_MAX_SHIFT = 1 << 60  # us


class Counter(NamedTuple):
    """Where a counter stands: its value and how often it wrapped."""

    value: int = 0
    wraps: int = 0


def unroll(raw: NDArray[np.int64], bits: int, counter: Counter) -> tuple[NDArray[np.int64], Counter]:
    """Unroll the values of a counter of ``bits`` bits: a step back by more than half the period is a wrap."""
    if not raw.size:
        return raw, counter
    half = 1 << (bits - 1)
    step = np.empty_like(raw)
    step[0] = raw[0] - counter.value
    np.subtract(raw[1:], raw[:-1], out=step[1:])
    falls = step < -half
    if not falls.any():
        return raw + (counter.wraps << bits), Counter(int(raw[-1]), counter.wraps)
    wraps = counter.wraps + np.cumsum(falls)
    return raw + (wraps << bits), Counter(int(raw[-1]), int(wraps[-1]))


def notes_for(t: NDArray[np.int64], bits: int, where: str) -> list[Note]:
    """Find the notes without which ``unroll`` of the low ``bits`` bits would not give back ``t``.

    Raises: ShapeError if it takes more than 4096.
    """
    if not t.size:
        return []
    seen, _ = unroll(t & ((1 << bits) - 1), bits, Counter())
    missing = (t - seen) >> bits
    change = np.flatnonzero(np.diff(missing, prepend=0))
    if change.size > _MAX_NOTES:
        expected = f"at most {_MAX_NOTES} gaps longer than its counter of {bits} bits can show"
        raise ShapeError(where, expected=expected, got=f"{change.size}", mend="Write AEDAT 4 or HDF5 instead.")
    return [(int(index), int(missing[index])) for index in change]


def read_notes(lines: Sequence[str], bits: int) -> tuple[Note, ...]:
    """Find the notes among the lines of a header; lines that are no sane notes are comments."""
    found: list[Note] = []
    for line in lines:
        words = line.split()
        if len(words) != 3 or words[0] != KEY or len(found) == _MAX_NOTES:
            continue
        record, count = words[1], words[2].removeprefix("-")
        numbers = re.fullmatch(r"[0-9]{1,15}", record) and re.fullmatch(r"[0-9]{1,15}", count)
        if numbers and int(count) << bits <= _MAX_SHIFT:
            found.append((int(record), int(words[2])))
    return tuple(found)


def applied(t: NDArray[np.int64], first_record: int, notes: Sequence[Note], bits: int) -> NDArray[np.int64]:
    """Add to the times of consecutive records what the notes say."""
    for index, (record, count) in enumerate(notes):
        start = max(record - first_record, 0)
        stop = notes[index + 1][0] - first_record if index + 1 < len(notes) else t.size
        if start < min(stop, t.size):
            t[start:stop] += count << bits
    return t
