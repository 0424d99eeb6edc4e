"""Natural images for sparse coding: 16 grey photographs of 480 x 480 and 48 of 256 x 256; whiten them yourself.

Source: the database of Perrinet's SparseHebbianLearning; Serre, Oliva and Poggio 2007, PNAS (distractors).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACK = "natural_images.npz"
Part = Literal["kodak", "serre"]
PARTS: tuple[Part, ...] = ("kodak", "serre")
SOURCE = Source(
    name="natural_images",
    title="Natural images for sparse coding",
    kind="images",
    licence="no terms stated; research use",
    citation="Serre, Oliva and Poggio 2007, PNAS",
    split="none",
    splits=(),
    packs=(Pack(PACK, 4_875_264, "4324648d7bc590cfa740e28fc57c322e087d43523078165d2e71b6c797f490fb"),),
    by_hand=pack_of("bicv/SparseHebbianLearning", "b8ca7e34c7"),
)


def load(part: Part = "kodak") -> NDArray[np.uint8]:
    """Load photographs (N, H, W), uint8.

    Pack: ``kodak`` (16, 480, 480) and ``serre`` (48, 256, 256) uint8.
    Raises: ConfigError for an unknown part; DataError if it is nowhere; FormatError for a broken pack.
    """
    if part not in PARTS:
        raise ConfigError("natural_images", expected=f"a part: {', '.join(PARTS)}", got=repr(part))
    path = find(SOURCE, PACK)
    images: NDArray[np.uint8] = arrays.read(path, {part: ("u", 3)})[part]
    if images.dtype != np.uint8:
        raise FormatError(f"{path}: {part}", expected="images of uint8", got=str(images.dtype))
    return images
