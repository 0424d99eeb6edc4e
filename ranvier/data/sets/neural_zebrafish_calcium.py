"""Spontaneous activity of 114 cells of a zebrafish's tectum, by calcium imaging, with its assemblies.

Source: Triplett, Avitan and Goodhill 2018, PLoS Comput. Biol. 14:e1006421.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACK = "zf_20151104_f1.npz"
SOURCE = Source(
    name="neural_zebrafish_calcium",
    title="Zebrafish tectum calcium imaging",
    kind="neural recordings",
    licence="CC BY 4.0 (figshare 10.6084/m9.figshare.6943265)",
    citation="Triplett, Avitan and Goodhill 2018, PLoS Comput. Biol. 14:e1006421",
    split="none",
    splits=(),
    packs=(Pack(PACK, 1_770_482, "4b9ab40cc4a95c724592d7ed4b465ccdcffb11d38ddcb64916d4465c956019f4"),),
    by_hand=pack_of("OpenSourceBrain/NWBShowcase", "be2920012f"),
)


class Calcium(NamedTuple):
    """Fluorescence of cells. Letters: T frames, N cells."""

    activity_TN: NDArray[np.float32]  # dF/F
    places_N2: NDArray[np.float32]  # as published
    assemblies: tuple[NDArray[np.int64], ...]  # the cells of each, counted from 0


def load() -> Calcium:
    """Load the recording.

    Pack: ``activity`` (N, T), ``cell_xy`` (N, 2), ``assembly_members`` counted from 1, ``assembly_offsets``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    path = find(SOURCE, PACK)
    wanted = {"activity": ("f", 2), "cell_xy": ("f", 2)}
    pack = arrays.read(
        path, {**wanted, **dict.fromkeys(("assembly_members", "assembly_offsets"), (arrays.INTEGERS, 1))}
    )
    count = arrays.check_lengths(path, pack, "activity", "cell_xy")
    members = pack["assembly_members"].astype(np.int64) - 1
    if pack["cell_xy"].shape[1] != 2 or (members.size and not 0 <= members.min() <= members.max() < count):
        raise FormatError(str(path), expected=f"two coordinates, and members from 1 to {count}", got="others")
    offsets = arrays.check_offsets(path, pack["assembly_offsets"], len(members))
    parts = tuple(members[first:last] for first, last in pairwise(offsets.tolist()))
    return Calcium(pack["activity"].T.astype(np.float32), pack["cell_xy"].astype(np.float32), parts)
