"""The connectome of the worm C. elegans: synapses and gap junctions between its neurons; no activity.

Source: White, Southgate, Thomson and Brenner 1986; Varshney et al. 2011, PLoS Comput. Biol.; Cook et al. 2019, Nature;
Witvliet et al. 2021, Nature; Bentley et al. 2016 (monoamines, neuropeptides).
"""

import csv
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of
from ranvier.data.sets.texts import read_text

PACK = "connectome.npz"
Study = Literal["cook", "white", "witvliet7", "witvliet8", "monoamines", "neuropeptides"]
_TABLES = {
    "white": "aconnectome_white_1986_whole.csv",
    "witvliet7": "aconnectome_witvliet_2020_7.csv",
    "witvliet8": "aconnectome_witvliet_2020_8.csv",
    "monoamines": "esconnectome_monoamines_Bentley_2016.csv",
    "neuropeptides": "esconnectome_neuropeptides_Bentley_2016.csv",
}
SOURCE = Source(
    name="celegans",
    title="C. elegans connectome",
    kind="graph",
    licence="GPL-3.0 (wormneuroatlas, the repository of the tables); none stated for the others",
    citation="White 1986; Varshney 2011; Bentley 2016; Cook 2019, Nature; Witvliet 2021, Nature",
    split="none",
    splits=(),
    packs=(
        Pack(PACK, 26_944, "e123ec2a6aa8f20ae1014effdbc10f9bcbf6ba90c5b55dbccb851b60ab93db6b"),
        Pack(_TABLES["white"], 64_492, "768d2b16557d768b51f81548f630adb45d76c1f99586e8fd4c90279293cc9dae"),
        Pack(_TABLES["witvliet7"], 55_102, "1370d2a7e26a17e0765edfa834c95ca59ab44d8587efb5fda330432233074165"),
        Pack(_TABLES["witvliet8"], 55_153, "530a6d6b1c0c621d70a019e478ac79c8107cde475b55e79f225582f77b342ce4"),
        Pack(_TABLES["monoamines"], 66_771, "16a1527028c6d8eece4d8a2d792e5a19cc416650e45066612180c42adc83654e"),
        Pack(_TABLES["neuropeptides"], 217_695, "0abea9f09112e5d7af88823dd6e4ef91f181af7e919ce997fa12356c92c99e64"),
    ),
    by_hand=pack_of("openworm/wormneuroatlas", "6e55d026d3"),
)


class Connectome(NamedTuple):
    """Numbers of synapses between 279 neurons. Letters: N from, M to."""

    names: tuple[str, ...]
    chemical_NM: NDArray[np.float32]  # [i, j] from neuron i to neuron j: a weight (out, in) is the transpose
    gap_NM: NDArray[np.float32]  # gap junctions, symmetric


class Edge(NamedTuple):
    """A connection."""

    source: str
    target: str
    kind: str  # "chemical", "electrical", or the transmitter
    weight: float  # number of synapses; 1 for transmitters


def load() -> Connectome:
    """Load the connectome of Varshney et al.

    Pack: ``varshney_names`` (279,), ``varshney_chem`` and ``varshney_gap`` (279, 279), ``cook_source``,
    ``cook_target``, ``cook_weight``, ``cook_type``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    path = find(SOURCE, PACK)
    wanted = {"varshney_names": (arrays.TEXT, 1), "varshney_chem": ("f", 2), "varshney_gap": ("f", 2)}
    names, chemical, gap = arrays.read(path, wanted).values()
    if chemical.shape != (len(names), len(names)) or gap.shape != chemical.shape or not np.array_equal(gap, gap.T):
        got = f"{chemical.shape} and {gap.shape}"
        raise FormatError(str(path), expected=f"{len(names)} x {len(names)}, gap junctions symmetric", got=got)
    return Connectome(arrays.words(names), chemical.astype(np.float32), gap.astype(np.float32))


def edges(study: Study = "cook") -> list[Edge]:
    """Load the list of connections of a study; "cook" has muscles too, and its electrical edges both ways.

    Raises: ConfigError for an unknown study; DataError if it is nowhere; FormatError, naming the line, for others.
    """
    if study == "cook":
        path = find(SOURCE, PACK)
        text, names = (arrays.TEXT, 1), ("cook_source", "cook_target", "cook_type")
        pack = arrays.read(path, {**dict.fromkeys(names, text), "cook_weight": ("f", 1)})
        arrays.check_lengths(path, pack, *names, "cook_weight")
        columns = (*(arrays.words(pack[name]) for name in names), pack["cook_weight"].tolist())
        return [Edge(*row) for row in zip(*columns, strict=True)]
    if study not in _TABLES:
        raise ConfigError("celegans", expected=f"a study: cook, {', '.join(_TABLES)}", got=repr(study))
    path = find(SOURCE, _TABLES[study])
    anatomical = study in ("white", "witvliet7", "witvliet8")
    rows = csv.reader(read_text(path).content.splitlines(), delimiter="\t" if anatomical else ",")
    found = []
    for number, row in enumerate(rows, 1):
        if number == 1 or not row:
            continue
        if len(row) < 4 or (anatomical and not row[3].isdecimal()):
            raise FormatError(f"{path}: line {number}", expected="a connection of four columns", got=repr(row)[:80])
        found.append(Edge(row[0], row[1], row[2], float(row[3]) if anatomical else 1.0))
    return found
