"""N-MNIST: the digits of MNIST seen by an event camera that makes three small saccades, 34 x 34, about 310 ms.

Source: Orchard, Jayawant, Cohen and Thakor 2015, Front. Neurosci. 9:437.
"""

import re
from importlib import resources
from pathlib import Path

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.events import Events
from ranvier.data.formats import archive, nmnist_bin, packed
from ranvier.data.sets.pack import EventSet, event_set, load_events
from ranvier.data.sets.recordings import Clip, Recordings
from ranvier.data.sets.source import Pack, Source, Split, absent, check_split, obtain

_URL = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"

SOURCE = Source(
    name="nmnist",
    title="N-MNIST",
    kind="events",
    files=(
        RemoteFile(
            url=_URL + "39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
            name="Train.zip",
            md5="20959b8e626244a1b502305a9e6e2031",
        ),
        RemoteFile(
            url=_URL + "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
            name="Test.zip",
            md5="69ca8762b2fe404d9b9bad1103e97832",
        ),
    ),
    licence="CC BY-SA 4.0",
    citation="Orchard, Jayawant, Cohen and Thakor 2015, Front. Neurosci. 9:437",
    split="60,000 train, 10,000 test, as MNIST",
    packs=(
        Pack("nmnist_train900.npz", 9_674_415, "c92f3640279a11020a4512e53be86422336fd283bf291ac05f00c279e3896396"),
        Pack("nmnist_test100.npz", 990_654, "0ece6c71544553b62abab3bd3814a48bff6be8f9ee979455e69cf152f5d0d199"),
    ),
    unpacked=("Train/[0-9]/*.bin", "Test/[0-9]/*.bin", "Train.zip", "Test.zip"),
)
CLASSES = tuple("0123456789")
SIZE = (34, 34)
DURATION_MS = 315.0  # three saccades of 105 ms
_MEMBER = re.compile(r"(?:.*/)?(?:Train|Test)/([0-9])/([0-9]+)\.bin")
_MAX_DIRECTORY = 32 << 20  # 60,000 members
_MAX_BYTES = 4 << 30


def load(split: Split = "train", *, download: bool = False) -> EventSet | Recordings:
    """Load N-MNIST from RANVIER_DATA or the cache, else download it, else take the embedded sample.

    Looked for are the official files (folder ``Train`` or ``Test`` with one folder a class, or ``Train.zip``,
    ``Test.zip``), then the packs ``nmnist_train900.npz`` and ``nmnist_test100.npz``. Without any of them, and unless
    ``download`` is True, the recordings that come with the package are used (see ``sample``).

    Raises: DataError if a download fails; FormatError for broken files.
    """
    check_split(SOURCE, split)
    folder = split.capitalize()
    if (path := places.find(SOURCE.name, folder)) is not None:
        return _from_folder(path)
    pack = places.find(SOURCE.name, "nmnist_train900.npz" if split == "train" else "nmnist_test100.npz")
    zipped = obtain(SOURCE, f"{folder}.zip", download=download and pack is None)
    if zipped is not None:
        return _from_zip(zipped)
    return sample(split) if pack is None else load_events(pack, size=SIZE, classes=CLASSES)


def sample(split: Split = "train") -> EventSet:
    """Load the embedded sample: 580 train recordings (58 of each class) and the first 100 test recordings.

    Licence of the recordings: CC BY-SA 4.0, see ``ranvier/data/sample/LICENSE.md``.
    """
    check_split(SOURCE, split)
    with resources.as_file(resources.files("ranvier.data") / "sample" / f"nmnist_{split}.npz") as path:
        return event_set(packed.read(path), size=SIZE, classes=CLASSES, where=str(path))


def _from_folder(folder: Path) -> Recordings:
    files = sorted((path for path in folder.glob("[0-9]/*.bin") if path.stem.isdecimal()), key=lambda p: int(p.stem))
    if not files:
        raise absent(SOURCE, f"recordings such as {folder.name}/7/00001.bin")
    return _recordings([(int(path.parent.name), int(path.stem), Clip(path)) for path in files])


def _from_zip(path: Path) -> Recordings:
    entries = archive.directory(path, max_directory=_MAX_DIRECTORY, max_bytes=_MAX_BYTES)
    named = [(match, entry) for name, entry in entries.items() if (match := _MEMBER.fullmatch(name))]
    if not named:
        raise FormatError(str(path), expected="members such as Train/7/00001.bin", got=f"{len(entries)} others")
    named.sort(key=lambda pair: int(pair[0][2]))
    return _recordings([(int(match[1]), int(match[2]), Clip(path, entry)) for match, entry in named])


def _recordings(found: list[tuple[int, int, Clip]]) -> Recordings:
    return Recordings(
        clips=[clip for _, _, clip in found],
        read=_read,
        labels=np.array([label for label, _, _ in found], np.int64),
        ids=np.array([number for _, number, _ in found], np.int64),
        classes=CLASSES,
        size=SIZE,
    )


def _read(clip: Clip) -> Events:
    return nmnist_bin.parse(clip.read(), size=SIZE, where=clip.name)
