"""Places seen twice: query and reference views of Gardens Point, SPED and ESSEX3IN1, 64 x 64 grey, of low quality.

They were cut out of published figures: compare methods on them with each other, not with published results.
Source: Zaffar, Ehsan, Milford and McDonald-Maier 2020, IEEE RA-L 5:1835 (CoHOG).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACK = "place_recognition.npz"
Part = Literal["gardens_point", "sped", "essex3in1"]
PARTS: tuple[Part, ...] = ("gardens_point", "sped", "essex3in1")
SOURCE = Source(
    name="place_recognition",
    title="Place recognition pairs (Gardens Point, SPED, ESSEX3IN1)",
    kind="images",
    licence="none stated; research use",
    citation="Zaffar, Ehsan, Milford and McDonald-Maier 2020, IEEE RA-L 5:1835",
    split="none: queries are matched to references",
    splits=(),
    packs=(Pack(PACK, 5_226_890, "0e4fdde19607af9da96d8e622cd994867506757facfdf62f23159fd38698f08d"),),
    by_hand=pack_of("MubarizZaffar/CoHOG_Results_RAL2019", "7c12fb185b"),
)


class Places(NamedTuple):
    """Views of the same places on two visits; query i belongs to reference i."""

    query: NDArray[np.uint8]  # (N, 1, 64, 64)
    reference: NDArray[np.uint8]  # (N, 1, 64, 64)
    frame: NDArray[np.int64]  # (N,) its number; at Gardens Point neighbours look alike: allow a few frames


def load(part: Part = "gardens_point") -> Places:
    """Load the pairs of a part.

    Pack: ``PART_query``, ``PART_ref`` (N, 64, 64) uint8 and ``PART_index`` (N,).
    Raises: ConfigError for an unknown part; DataError if it is nowhere; FormatError for a broken pack.
    """
    if part not in PARTS:
        raise ConfigError("place_recognition", expected=f"a part: {', '.join(PARTS)}", got=repr(part))
    path = find(SOURCE, PACK)
    wanted = {f"{part}_query": ("u", 3), f"{part}_ref": ("u", 3), f"{part}_index": (arrays.INTEGERS, 1)}
    pack = arrays.read(path, wanted)
    arrays.check_lengths(path, pack, *wanted)
    query, reference, index = (pack[name] for name in wanted)
    if query.dtype != np.uint8 or reference.dtype != np.uint8 or query.shape != reference.shape:
        got = f"{query.dtype} {query.shape} and {reference.dtype} {reference.shape}"
        raise FormatError(f"{path}: {part}", expected="views of uint8 and of one shape", got=got)
    return Places(query[:, None], reference[:, None], index.astype(np.int64))
