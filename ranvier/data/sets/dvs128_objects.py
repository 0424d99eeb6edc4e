"""Eight objects held before a DVS128 by hand: whole recordings as events, and short windows as frames.

Source: Biomedical Engineering Laboratory, Federal University of Uberlandia, github.com/eberlawrence/DVS128_BioLab.
"""

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data.formats import npz
from ranvier.data.sets import arrays
from ranvier.data.sets.pack import EventSet, event_set
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

FRAMES = "dvs128_object_frames.npz"
SIZE = (128, 128)
SOURCE = Source(
    name="dvs128_objects",
    title="DVS128 hand-held objects",
    kind="events",
    licence="none stated; for development and tests",
    citation="Biomedical Engineering Laboratory, Federal University of Uberlandia, DVS128_BioLab",
    split="none official; events: other recordings of 5 of the 7 objects test; frames: a later part test",
    packs=(
        Pack(
            "dvs128_object_events_train.npz",
            5_075_137,
            "c23101ffaabf9c13b8f2a949bd36883b4773b735d54aea966bc06cfb253dac90",
        ),
        Pack(
            "dvs128_object_events_test.npz",
            3_170_250,
            "8f330d4ea6b9ac1fe67d2e72bff406ad47a5fadb41b8874ef6c5655e32fbc1a5",
        ),
        Pack(FRAMES, 504_411, "fd88adf5f194cc723208cefbb9b9a2182079dcca88703c94fcef50dbfbaae6e1"),
    ),
    by_hand=pack_of("eberlawrence/DVS128_BioLab", "40a6699046"),
)


def load(split: Split = "train") -> EventSet:
    """Load whole recordings of about 20 s; ``windows`` of the set cuts them, ``ids`` are their numbers.

    Packs: ``x``, ``y``, ``p`` uint8 and ``t`` (us) of all recordings, ``offsets``, ``labels``, ``class_names``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, f"dvs128_object_events_{split}.npz")
    names = arrays.words(arrays.read(path, {"class_names": (arrays.TEXT, 1)})["class_names"])
    pack = npz.read(path, [name for name in npz.names(path) if name != "class_names"])
    if missing := [name for name in ("x", "y", "p", "t", "offsets", "labels") if name not in pack]:
        raise FormatError(str(path), expected="an event pack", got="no member " + ", ".join(missing))
    return event_set(pack, size=SIZE, classes=names, where=str(path))


def frames(split: Split = "train") -> SignalSet:
    """Load frames: ON minus OFF events of each pixel in a short window; a sample is (128, 128) as (rows, columns).

    Frames of a class come from one recording, in order.
    Pack: ``train_x`` (N, 128, 128) int8, ``train_y``, the same for test, ``class_names``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, FRAMES)
    wanted = {f"{split}_x": ("i", 3), f"{split}_y": (arrays.INTEGERS, 1), "class_names": (arrays.TEXT, 1)}
    values, labels, names = arrays.read(path, wanted).values()
    if values.shape[1:] != SIZE or values.dtype != np.int8:
        got = f"{values.dtype} {values.shape}"
        raise FormatError(f"{path}: {split}_x", expected="int8 frames (N, 128, 128)", got=got)
    return signal_set(path, values, labels, Meaning(classes=arrays.words(names), unit="events"))
