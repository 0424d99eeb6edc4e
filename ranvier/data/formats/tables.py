"""What formats of rows and columns share: which column is what, and numbers of any type turned into events."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.faults import Fault
from ranvier.data.formats.interface import Chunk, Columns, Positions

Array = NDArray[Any]

ROLES = ("t", "x", "y", "p")
_NAMES = {
    "t": {"t", "ts", "time", "times", "timestamp", "timestamps"},
    "x": {"x", "xs", "col", "column"},
    "y": {"y", "ys", "row"},
    "p": {"p", "ps", "pol", "polarity", "polarities", "on"},
}
_UNITS = {"s": 1e6, "sec": 1e6, "seconds": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_WILD = 1 << 61  # the judge refuses it
_WILD_PIXEL = 1 << 20


def role(name: str) -> tuple[str, float | None] | None:
    """Tell what a column's name says: its role and, for "t[s]" or "timestamp_us", how many us a unit is."""
    words = re.fullmatch(r"([a-z]+)(?:[ _]?[\[(]?(s|sec|seconds|ms|us|ns)[\])]?)?", name.strip().lower())
    if words is None:
        return None
    for found, names in _NAMES.items():
        if name.strip().lower() in names:
            return found, None
        if words[1] in names and words[2]:
            return found, _UNITS[words[2]]
    return None


def groups(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Find complete sets of columns among names such as "t", "x", "y", "p" or "left_t" ...: {prefix: {role: name}}."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        prefix, _, last = name.rpartition("_")
        for start, rest in (("", name), (prefix, last)):
            if (known := role(rest)) is not None and (start or rest == name):
                found.setdefault(start, {}).setdefault(known[0], name)
                break
    return {prefix: columns for prefix, columns in found.items() if len(columns) == len(ROLES)}


def unit_of(sample: Array) -> float:
    """Guess how many us the unit of a column of times is: seconds if there are fractions, else us."""
    if sample.dtype.kind != "f":
        return 1.0
    finite = sample[np.isfinite(sample)].astype(np.float64)
    return 1e6 if (finite != np.rint(finite)).any() else 1.0


def order_of(sample: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Guess which of the first four columns of rows (N, 4 or more) are t, x, y, p.

    p holds only 0 and 1, or -1 and 1; t never falls and reaches farthest; what is left is x, then y.
    """
    columns = list(range(4))
    binary = [c for c in columns if np.isin(sample[:, c], (-1, 0, 1)).all()]
    rising = [c for c in columns if (np.diff(sample[:, c]) >= 0).all()]
    fraction = [c for c in rising if (sample[:, c] != np.rint(sample[:, c])).any()]
    t = fraction[0] if fraction else max(rising, key=lambda c: float(sample[-1, c]), default=0)
    p = next((c for c in (3, 2, 0, 1) if c in binary and c != t), 3 if t != 3 else 2)
    x, y = (c for c in columns if c not in (t, p))
    return t, x, y, p


def chunk_of(columns: Sequence[Array], unit: float, at: Positions) -> Chunk:
    """Turn columns t, x, y, p of any type of number into events; rows that hold no numbers are faults."""
    t, x, y, p = columns
    bad = np.zeros(t.shape, bool)
    for column in (t, x, y, p):
        if column.dtype.kind == "f":
            bad |= ~np.isfinite(column)
    for column in (x, y, p):
        if column.dtype.kind == "f":
            bad |= np.rint(column) != column
    faults: tuple[Fault, ...] = ()
    if bad.any():
        index, num = int(np.argmax(bad)), int(bad.sum())
        got = ", ".join(f"{name} = {column[index]}" for name, column in zip(ROLES, columns, strict=True))
        expected = "a time and whole numbers x, y, p"
        faults = (Fault("no numbers", int(at[index]), expected, got, num=num, dropped=num),)
        places = np.arange(at.start, at.stop, at.step) if isinstance(at, range) else at
        t, x, y, p = (column[~bad] for column in columns)
        at = places[~bad]
    return Chunk(
        Columns(_times(t, unit), _whole(x), _whole(y), np.clip(_whole(p), -100, 100).astype(np.int8), at), faults
    )


def _times(t: Array, unit: float) -> NDArray[np.int64]:
    if t.dtype.kind == "f":
        # float16 times in us would overflow.
        scaled = np.rint(t.astype(np.float64) * unit)
        return np.clip(scaled, -_WILD, _WILD).astype(np.int64)
    if t.dtype == np.uint64:
        t = np.minimum(t, np.uint64(_WILD))
    whole = t.astype(np.int64)
    return whole if unit == 1.0 else _times(whole.astype(np.float64), unit)


def _whole(column: Array) -> Array:
    """Give integers; what no sensor has becomes a number that is refused later."""
    if column.dtype.kind == "b":
        return column.astype(np.int8)
    if column.dtype.kind == "f":
        return np.clip(column, -_WILD_PIXEL, _WILD_PIXEL).astype(np.int32)
    if column.dtype.itemsize > 4 or column.dtype == np.uint32:
        return np.clip(column, -_WILD_PIXEL if column.dtype.kind == "i" else 0, _WILD_PIXEL).astype(np.int32)
    return column.astype(np.int32)
