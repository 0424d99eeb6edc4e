"""Small tables of the UCI repository: iris, wheat seeds, glass, ecoli, ionosphere, sonar, banknotes.

Source: UCI Machine Learning Repository.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, UnknownNameError
from ranvier.data.formats import npz
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACK = "uci_small.npz"
SOURCE = Source(
    name="tables",
    title="Small UCI tables",
    kind="signals",
    licence="CC BY 4.0 (UCI)",
    citation="UCI Machine Learning Repository",
    split="none official; `recordings.stratified` makes one",
    splits=(),
    packs=(Pack(PACK, 88_778, "636266285a6a8a5db3f2efe10733a11b8ae045678b8654ff41023a6b31312af0"),),
    by_hand=pack_of("jbrownlee/Datasets", "d20fcb6402"),
)


class Table(NamedTuple):
    """Rows of features with classes."""

    features: NDArray[np.float32]  # (N, F)
    labels: NDArray[np.int64]  # (N,)


def names() -> tuple[str, ...]:
    """List the tables."""
    return tuple(name.removesuffix("_x") for name in npz.names(find(SOURCE, PACK)) if name.endswith("_x"))


def load(name: str = "iris") -> Table:
    """Load a table.

    Pack: ``NAME_x`` (N, F) float32, ``NAME_y``.
    Raises: UnknownNameError for one that the pack lacks; DataError if it is nowhere; FormatError for a broken pack.
    """
    if name not in names():
        raise UnknownNameError.among("tables", name, names(), kind="table")
    path = find(SOURCE, PACK)
    pack = arrays.read(path, {f"{name}_x": ("f", 2), f"{name}_y": (arrays.INTEGERS, 1)})
    arrays.check_lengths(path, pack, f"{name}_x", f"{name}_y")
    if not np.isfinite(pack[f"{name}_x"]).all():
        raise FormatError(f"{path}: {name}_x", expected="finite features", got="NaN or infinity")
    return Table(pack[f"{name}_x"].astype(np.float32), pack[f"{name}_y"].astype(np.int64))
