"""WISDM-51: what a smartwatch's accelerometer feels while 46 people do 18 things, windows of 5 s.

Source: Weiss, Yoneda and Hayajneh 2019, IEEE Access 7, "Smartphone and Smartwatch-Based Biometrics Using
Activities of Daily Living".
"""

from ranvier.data.sets import arrays
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

PACK = "wisdm_watch_accel.npz"
SOURCE = Source(
    name="har_wisdm",
    title="WISDM-51 smartwatch activities",
    kind="signals",
    licence="CC BY 4.0 (UCI repository)",
    citation="Weiss, Yoneda and Hayajneh 2019, IEEE Access 7",
    split="none official; by person: 33 people train, 9 others test",
    packs=(Pack(PACK, 3_171_177, "da27e531f3e84f6b7b82f1212973f57990185b2c719440ff7985816b743a9a8b"),),
    by_hand=pack_of("chunkybubble/wisdm-51-data-analysis", "06b32e6e0a"),
)


def load(split: Split = "train") -> SignalSet:
    """Load windows of 100 samples at 20 Hz, three axes, m/s^2; ``groups`` are the people.

    Pack: ``train_x`` (N, 100, 3) int16 in steps of ``scale``, ``train_y``, ``train_subject`` (N,), the same for test,
    ``activity_names``, ``scale``, ``fs``; at most 8 windows of a person and activity.
    Raises: DataError if it is nowhere; FormatError for a broken pack, or one that has a person in both splits.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, PACK)
    wanted = {f"{split}_{name}": (arrays.INTEGERS, axes) for name, axes in (("x", 3), ("y", 1), ("subject", 1))}
    both = {f"{s}_subject": (arrays.INTEGERS, 1) for s in SOURCE.splits}
    facts = {"activity_names": (arrays.TEXT, 1), "scale": (arrays.NUMBERS, 0), "fs": (arrays.NUMBERS, 0)}
    pack = arrays.read(path, {**wanted, **both, **facts})
    arrays.check_apart(path, pack["train_subject"], pack["test_subject"], what="people")
    meaning = Meaning(
        classes=arrays.words(pack["activity_names"]), rate=float(pack["fs"]), scale=float(pack["scale"]), unit="m/s^2"
    )
    values, labels, people = (pack[name] for name in wanted)
    return signal_set(path, values, labels, meaning, groups=people)
