"""Bonn EEG: single channels of 23.6 s from healthy people and epilepsy patients, with and without seizures.

Source: Andrzejak et al. 2001, Phys. Rev. E 64:061907.
"""

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

PACK = "eeg_bonn.npz"
SOURCE = Source(
    name="eeg_bonn",
    title="Bonn EEG (seizures)",
    kind="signals",
    licence="none stated; free for research with citation",
    citation="Andrzejak et al. 2001, Phys. Rev. E 64:061907",
    split="none official; of the 100 segments of a set 72 train, 18 test (drawn once)",
    packs=(Pack(PACK, 1_739_597, "2b6dca9d2c10974aacd5a5b7227b4cf2c415d7442f3d0c69ae4b8b77b916e5c4"),),
    by_hand=pack_of("arushnab/bonn-eeg-ml", "7fb31cdd4e"),
)


def load(split: Split = "train") -> SignalSet:
    """Load segments of 4,097 samples at 173.61 Hz; ``groups`` are their numbers within a set.

    Classes: Z, O healthy with eyes open and closed; N, F patients between seizures; S a seizure. Numbers as published.
    Pack: ``train_x`` (N, 4097) int16, ``train_y``, ``train_name`` such as "F003.txt", the same for test, ``set_names``,
    ``fs``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, PACK)
    values, labels, names = f"{split}_x", f"{split}_y", f"{split}_name"
    wanted = {values: (arrays.INTEGERS, 2), labels: (arrays.INTEGERS, 1), names: (arrays.TEXT, 1)}
    pack = arrays.read(path, wanted | {"set_names": (arrays.TEXT, 1), "fs": (arrays.NUMBERS, 0)})
    digits = ["".join(letter for letter in name if letter.isdecimal()) for name in arrays.words(pack[names])]
    if not all(digits):
        raise FormatError(f"{path}: {names}", expected="names such as F003.txt", got="others")
    meaning = Meaning(classes=arrays.words(pack["set_names"]), rate=float(pack["fs"]), unit="as published")
    return signal_set(path, pack[values], pack[labels], meaning, groups=np.array([int(d) for d in digits], np.int64))
