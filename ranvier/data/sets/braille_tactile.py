"""Braille letters read by a fingertip with 12 pressure sensors, 27 classes of 50 repetitions.

Very clean: the mean of a class finds every letter, so the set tests a pipeline and not a model.
Source: Mueller-Cleve et al. 2022, Front. Neurosci. 16:951164.
"""

from ranvier.data.sets import arrays
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

PACK = "braille_letters.npz"
SOURCE = Source(
    name="braille_tactile",
    title="Braille letters (tactile)",
    kind="signals",
    licence="CC BY 4.0",
    citation="Mueller-Cleve et al. 2022, Front. Neurosci. 16:951164",
    split="none official; of each letter repetitions 4, 14, 24, 34, 44 test, 40 train",
    packs=(Pack(PACK, 94_045, "fa60de73e010adb5199b2e5959c6c059e797ef2d08cd0ecb200a61756d53d5a4"),),
    by_hand=pack_of("fzenke/spytorch", "d363dbf93a"),
)


def load(split: Split = "train") -> SignalSet:
    """Load 77 steps of 12 sensors, raw values 55 to 255; ``lengths`` are 76 or 77, the last value is repeated.

    Pack: ``train_x`` (N, 77, 12) uint8, ``train_y``, ``train_len`` (N,), the same for test, ``letters``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, PACK)
    wanted = {f"{split}_{name}": (arrays.INTEGERS, axes) for name, axes in (("x", 3), ("y", 1), ("len", 1))}
    pack = arrays.read(path, wanted | {"letters": (arrays.TEXT, 1)})
    values, labels, lengths = (pack[name] for name in wanted)
    return signal_set(path, values, labels, Meaning(classes=arrays.words(pack["letters"])), lengths=lengths)
