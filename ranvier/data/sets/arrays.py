"""Packs that are merely arrays: read with checks of their types and shapes, for the sets made of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.formats import npz

Array = NDArray[Any]

INTEGERS, NUMBERS, TEXT = "iu", "iufb", "U"
_WORDS = {INTEGERS: "whole numbers", NUMBERS: "numbers", TEXT: "text", "f": "fractions", "u": "whole numbers >= 0"}


def read(path: str | Path, wanted: Mapping[str, tuple[str, int]], *, max_bytes: int | None = None) -> dict[str, Array]:
    """Read arrays of a pack after checking them.

    Args: path: the pack. wanted: name -> (kinds of number as numpy names them, number of axes); others are not read.
        max_bytes: as ``npz.read``.
    Raises: FormatError, naming path and member, if one is missing or of another kind or number of axes.
    """
    there = npz.names(path)
    if missing := [name for name in wanted if name not in there]:
        raise FormatError(str(path), expected="the arrays " + ", ".join(wanted), got="none named " + ", ".join(missing))
    pack = npz.read(path, wanted, max_bytes=max_bytes)
    for name, (kinds, axes) in wanted.items():
        array = pack[name]
        if array.dtype.kind not in kinds or array.ndim != axes:
            got = f"{array.dtype} {array.shape}"
            raise FormatError(
                f"{path}: member '{name}.npy'", expected=f"{_WORDS.get(kinds, kinds)} with {axes} axes", got=got
            )
    return pack


def check_lengths(where: str | Path, pack: Mapping[str, Array], *names: str) -> int:
    """Give the number of rows that arrays share.

    Raises: FormatError if they differ.
    """
    lengths = {name: len(pack[name]) for name in names}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name} of {length}" for name, length in lengths.items())
        raise FormatError(str(where), expected="arrays of one length", got=got)
    return next(iter(lengths.values()))


def check_offsets(where: str | Path, offsets: Array, total: int) -> Array:
    """Give offsets as int64.

    Raises: FormatError unless they rise from 0 to ``total``.
    """
    rising = offsets.size > 0 and offsets[0] == 0 and offsets[-1] == total and (offsets[1:] >= offsets[:-1]).all()
    if not rising:
        raise FormatError(f"{where}: offsets", expected=f"rising offsets from 0 to {total}", got="others")
    return offsets.astype("int64")


def words(array: Array) -> tuple[str, ...]:
    """Give an array of text as a tuple."""
    return tuple(str(word) for word in array)


def check_apart(where: str | Path, train: Array, test: Array, *, what: str) -> None:
    """Raise a FormatError if somebody or something is in both splits."""
    if both := sorted(set(train.tolist()) & set(test.tolist())):
        raise FormatError(str(where), expected=f"other {what} in test than in train", got=f"{both[:5]} in both")
