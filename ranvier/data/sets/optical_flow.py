"""Event sequences of known motion, DAVIS240: two real ones and four simulated ones.

For the simulated ones polarity is as its source stores it. There is no dense ground truth.
Source: Rueckauer and Delbruck 2016, Front. Neurosci. 10:176.
"""

from ranvier.core.errors import FormatError, ShapeError, UnknownNameError
from ranvier.data.events import Events
from ranvier.data.formats import npz
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACK = "davis240_motion.npz"
SIZE = (180, 240)
SEQUENCES = ("trans_square", "trans_barx", "trans_bary", "rotate_bar", "trans_boxes_real", "rot_bars_real")
SOURCE = Source(
    name="optical_flow",
    title="DAVIS240 motion sequences",
    kind="events",
    licence="none stated; research code of the Institute of Neuroinformatics",
    citation="Rueckauer and Delbruck 2016, Front. Neurosci. 10:176",
    split="none",
    splits=(),
    packs=(Pack(PACK, 948_841, "0dbe0c6bf32922c0e992d6da98763806deb23dda9b24409702641009144167ab"),),
    by_hand=pack_of("SensorsINI/processAEDAT", "5eda3b526b"),
)


def load(sequence: str = "trans_boxes_real") -> Events:
    """Load a sequence: one of ``SEQUENCES``.

    Pack: ``NAME_x``, ``NAME_y``, ``NAME_p``, ``NAME_t`` (us).
    Raises: UnknownNameError for one that the pack lacks; DataError if it is nowhere; FormatError for a broken pack.
    """
    path = find(SOURCE, PACK)
    there = [name.removesuffix("_t") for name in npz.names(path) if name.endswith("_t")]
    if sequence not in there:
        raise UnknownNameError.among("optical_flow", sequence, there, kind="sequence")
    names = [f"{sequence}_{column}" for column in "txyp"]
    pack = arrays.read(path, dict.fromkeys(names, (arrays.INTEGERS, 1)))
    try:
        return Events.of(*(pack[name] for name in names), size=SIZE)
    except ShapeError as error:
        raise FormatError(f"{path}: {sequence}: {error.where}", expected=error.expected, got=error.got) from error
