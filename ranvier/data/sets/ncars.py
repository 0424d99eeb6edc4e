"""N-CARS: cars and what is none, seen from a driving car with an ATIS, 100 ms each.

Source: Sironi, Brambilla, Bourdis, Lagorce and Benosman 2018, CVPR, "HATS".
"""

import re

import numpy as np

from ranvier.data.download import RemoteFile
from ranvier.data.formats.faults import Mode
from ranvier.data.sets.recordings import Reading, Recordings, gather, unnest
from ranvier.data.sets.source import Source, Split, check_split, ensure

CLASSES = ("background", "car")
SIZE = (100, 120)  # at most; the crops differ and the files do not tell
_ARCHIVE = "Prophesee_Dataset_n_cars.zip"
_PAGE = "https://www.prophesee.ai/dataset-n-cars-download/"
SOURCE = Source(
    name="ncars",
    title="N-CARS",
    kind="events",
    files=(RemoteFile(url=_PAGE, name=_ARCHIVE, md5="553ce464d6e5e617b3c21ce27c19368e"),),
    licence="Prophesee's own terms",
    citation="Sironi, Brambilla, Bourdis, Lagorce and Benosman 2018, CVPR, HATS",
    split="the publisher's folders train and test",
    unpacked=("**/obj_*_td.dat", "n-cars_train.zip"),
    by_hand=f"Its publisher wants its terms accepted: get {_ARCHIVE} at {_PAGE}.",
)
_INNER = re.compile(r"(?:.*/)?(?P<name>n-cars_(?:train|test)\.zip)")
_FILE = re.compile(r"(?:.*/)?(?:n-cars_)?(train|test)/(cars|background)/obj_([0-9]+)_td\.dat")


def load(split: Split = "train", *, mode: Mode = "strict", download: bool = False) -> Recordings:
    """Load a part.

    Looked for are ``n-cars_train/cars/obj_000000_td.dat``, ``n-cars_train/background/...`` and so on, in folders or in
    ``n-cars_train.zip`` and ``n-cars_test.zip``, which are taken out of the archive that holds them into the cache.

    Args: mode: as ``open_events``.
    Raises: DataError if it is nowhere; FormatError for broken files.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    unnest(SOURCE, _ARCHIVE, _INNER)
    found = gather(
        SOURCE, _FILE, such_as=f"n-cars_{split}/cars/obj_000000_td.dat", keep=lambda match: match[1] == split
    )
    found.sort(key=lambda pair: (pair[0][2], int(pair[0][3])))
    return Recordings(
        clips=[clip for _, clip in found],
        read=Reading(size=SIZE, mode=mode),
        labels=np.array([int(match[2] == "cars") for match, _ in found], np.int64),
        ids=np.array([int(match[3]) for match, _ in found], np.int64),
        classes=CLASSES,
        size=SIZE,
    )
