"""N-Caltech101: the pictures of Caltech101 seen by an event camera that makes three small saccades.

Source: Orchard, Jayawant, Cohen and Thakor 2015, Front. Neurosci. 9:437.
"""

import re

import numpy as np

from ranvier.data.download import RemoteFile
from ranvier.data.events import Events
from ranvier.data.formats import nmnist_bin
from ranvier.data.sets.recordings import Clip, Recordings, gather, unnest
from ranvier.data.sets.source import Source, ensure

_ARCHIVE = "N-Caltech101-archive.zip"
SIZE = (180, 240)  # at most; recordings differ
SOURCE = Source(
    name="ncaltech101",
    title="N-Caltech101",
    kind="events",
    files=(
        RemoteFile(
            url="https://data.mendeley.com/public-files/datasets/cy6cvx3ryv/files/"
            "36b5c52a-b49d-4853-addb-a836a8883e49/file_downloaded",
            name=_ARCHIVE,
            md5="66201824eabb0239c7ab992480b50ba3",
        ),
    ),
    licence="see the publisher's page",
    citation="Orchard, Jayawant, Cohen and Thakor 2015, Front. Neurosci. 9:437",
    split="none official; `recordings.stratified` makes one",
    splits=(),
    unpacked=("**/image_*.bin", "Caltech101.zip"),
)
_INNER = re.compile(r"(?:.*/)?(?P<name>Caltech101\.zip)")
_FILE = re.compile(r"(?:.*/)?([A-Za-z_0-9]+)/image_([0-9]{4})\.bin")


def load(*, download: bool = False) -> Recordings:
    """Load the recordings, one folder a class, from RANVIER_DATA or the cache, else download them.

    Looked for are ``Caltech101/CLASS/image_0001.bin``, ``Caltech101.zip``, then the archive that holds it, out of which
    it is taken into the cache.

    Returns: recordings in the order of class and number; the classes are those found (101 with BACKGROUND_Google).
    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    ensure(SOURCE, download=download)
    unnest(SOURCE, _ARCHIVE, _INNER)
    found = gather(SOURCE, _FILE, such_as="Caltech101/airplanes/image_0001.bin")
    classes = tuple(sorted({match[1] for match, _ in found}))
    number = {name: index for index, name in enumerate(classes)}
    found.sort(key=lambda pair: (pair[0][1], int(pair[0][2])))
    return Recordings(
        clips=[clip for _, clip in found],
        read=_read,
        labels=np.array([number[match[1]] for match, _ in found], np.int64),
        ids=np.array([int(match[2]) for match, _ in found], np.int64),
        classes=classes,
        size=SIZE,
    )


def _read(clip: Clip) -> Events:
    return nmnist_bin.parse(clip.read(), size=SIZE, where=clip.name)
