"""MNIST-1D: digits as one-dimensional signals of 40 steps, made by a procedure; hard for a model without memory.

Source: Greydanus and Kobak, arXiv:2011.14439.
"""

from ranvier.data.sets import arrays
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

PACK = "mnist1d.npz"
SOURCE = Source(
    name="mnist1d",
    title="MNIST-1D",
    kind="signals",
    licence="Apache-2.0",
    citation="Greydanus and Kobak, arXiv:2011.14439",
    split="4,000 train, 1,000 test",
    packs=(Pack(PACK, 735_369, "5dba741c7305518f0741e54c79b2d65834674dbf5705b3d8663c652c524222f3"),),
    by_hand=pack_of("greydanus/mnist1d", "7878d96082"),
)


def load(split: Split = "train") -> SignalSet:
    """Load signals of 40 steps.

    Pack: ``x`` (N, 40) and ``x_test`` float32, ``y`` and ``y_test``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, PACK)
    end = "" if split == "train" else "_test"
    pack = arrays.read(path, {f"x{end}": ("f", 2), f"y{end}": (arrays.INTEGERS, 1)})
    return signal_set(path, pack[f"x{end}"], pack[f"y{end}"], Meaning(classes=tuple("0123456789")))
