"""CIFAR10-DVS: 10,000 pictures of CIFAR-10, moved on a screen before a DVS128.

Source: Li, Liu, Ji, Li and Shi 2017, Front. Neurosci. 11:309.
"""

import re
from dataclasses import dataclass

import numpy as np

from ranvier.data.download import RemoteFile
from ranvier.data.events import Events
from ranvier.data.formats import aedat2
from ranvier.data.formats.faults import Mode
from ranvier.data.sets.recordings import Clip, Reading, Recordings, gather
from ranvier.data.sets.source import Source, Split, check_split, ensure

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = (128, 128)
NUM_TEST = 100  # of each class
_FILES = {  # address and md5 as public loaders have them
    "airplane": ("7712788", "0afd5c4bf9ae06af762a77b180354fdd"),
    "automobile": ("7712791", "8438dfeba3bc970c94962d995b1b9bdd"),
    "bird": ("7712794", "a9c207c91c55b9dc2002dc21c684d785"),
    "cat": ("7712812", "52c63c677c2b15fa5146a8daf4d56687"),
    "deer": ("7712815", "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
    "dog": ("7712818", "f379ebdf6703d16e0a690782e62639c3"),
    "frog": ("7712842", "cad6ed91214b1c7388a5f6ee56d08803"),
    "horse": ("7712851", "e7cbbf77bec584ffbf913f00e682782a"),
    "ship": ("7712836", "41c7bd7d6b251be82557c6cce9a7d5c9"),
    "truck": ("7712839", "89f3922fd147d9aeff89e76a2b0b70a7"),
}
SOURCE = Source(
    name="cifar10dvs",
    title="CIFAR10-DVS",
    kind="events",
    files=tuple(
        RemoteFile(url=f"https://ndownloader.figshare.com/files/{number}", name=f"{name}.zip", md5=md5)
        for name, (number, md5) in _FILES.items()
    ),
    licence="see the publisher's page",
    citation="Li, Liu, Ji, Li and Shi 2017, Front. Neurosci. 11:309",
    split="none official; as commonly done recordings 0 to 99 of a class test, 900 train",
    unpacked=("**/cifar10_*.aedat*",),
)
_FILE = re.compile(rf"(?:.*/)?({'|'.join(CLASSES)})/cifar10_[a-z]+_([0-9]+)\.(aedat4?)")


def load(split: Split = "train", *, mode: Mode = "strict", download: bool = False) -> Recordings:
    """Load a part from RANVIER_DATA or the cache, else download it.

    Looked for are ``airplane/cifar10_airplane_0.aedat`` and so on (AEDAT 2.0, or AEDAT 4 as tonic repacked them), or
    ``airplane.zip`` and so on. Times count from the first event. The camera lay on its side: of jAER's pixels (x, y) of
    an AEDAT 2.0 file (127 - y, x) are given, on which pictures stand upright; pixels of AEDAT 4 are given as they are.

    Args: mode: as ``open_events``.
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    found = gather(
        SOURCE,
        _FILE,
        such_as="airplane/cifar10_airplane_0.aedat",
        keep=lambda match: (int(match[2]) < NUM_TEST) == (split == "test"),
    )
    found.sort(key=lambda pair: (CLASSES.index(pair[0][1]), int(pair[0][2])))
    return Recordings(
        clips=[clip for _, clip in found],
        read=_Read(mode),
        labels=np.array([CLASSES.index(match[1]) for match, _ in found], np.int64),
        ids=np.array([int(match[2]) for match, _ in found], np.int64),
        classes=CLASSES,
        size=SIZE,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """Reads AEDAT 2.0 as a DVS128 that lay on its side, anything else as it is."""

    mode: Mode

    def __call__(self, clip: Clip) -> Events:
        name = clip.path.name if clip.entry is None else clip.entry.filename
        if not name.endswith(".aedat"):
            return Reading(size=SIZE, mode=self.mode, from_zero=True)(clip)
        camera = aedat2.with_profile(aedat2.DVS128)
        return Reading(size=SIZE, mode=self.mode, format=camera, from_zero=True, turn=_upright)(clip)


def _upright(events: Events) -> Events:
    return Events(events.t, (SIZE[1] - 1 - events.y).astype(np.int16), events.x, events.polarity, SIZE)
