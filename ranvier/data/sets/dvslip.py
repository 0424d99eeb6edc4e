"""DVS-Lip: 100 English words, seen on lips by an event camera, 128 x 128.

Source: Tan, Wang, Han, Cao, Wu and Zha 2022, CVPR, "Multi-Grained Spatio-Temporal Features Perceived Network for
Event-Based Lip-Reading".
"""

import re

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data.download import RemoteFile
from ranvier.data.formats.faults import Mode
from ranvier.data.sets.recordings import Reading, Recordings, gather
from ranvier.data.sets.source import Source, Split, check_split, ensure

SIZE = (128, 128)
_PAGE = "https://sites.google.com/view/event-based-lipreading"
SOURCE = Source(
    name="dvslip",
    title="DVS-Lip",
    kind="events",
    files=(RemoteFile(url=_PAGE, name="DVS-Lip.zip", md5="2dcb959255122d4cdeb6094ca282494b"),),
    licence="see the publisher's page",
    citation="Tan, Wang, Han, Cao, Wu and Zha 2022, CVPR",
    split="the publisher's folders train and test",
    unpacked=("**/t*/*/*.npy", "DVS-Lip.zip"),
    by_hand=f"It lies on a drive without a plain address: get DVS-Lip.zip at {_PAGE}.",
)
_WORDS = """
accused action allow allowed america american another around attacks banks become being benefit benefits between
billion called capital challenge change chief couple court death described difference different during economic
education election england evening everything exactly general germany giving ground happen happened having heavy
house hundreds immigration judge labour leaders legal little london majority meeting military million minutes
missing needs number numbers paying perhaps point potential press price question really right russia russian saying
security several should significant spend spent started still support syria syrian taken taking terms these thing
think times tomorrow under warning water welcome words worst years young
"""
CLASSES = tuple(_WORDS.split())
_FILE = re.compile(r"(?:.*/)?(train|test)/([a-z]+)/([0-9]+)\.npy")


def load(split: Split = "train", *, mode: Mode = "strict", download: bool = False) -> Recordings:
    """Load a part: ``DVS-Lip/train/accused/0.npy`` and so on, or ``DVS-Lip.zip``; times count from the first event.

    Args: mode: as ``open_events``.
    Raises: DataError if it is nowhere; FormatError for broken files or a folder that is none of the 100 words.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    found = gather(SOURCE, _FILE, such_as="DVS-Lip/train/accused/0.npy", keep=lambda match: match[1] == split)
    if others := sorted({match[2] for match, _ in found} - set(CLASSES)):
        raise FormatError(f"{SOURCE.title}: {split}", expected="folders named by the 100 words", got=repr(others[0]))
    found.sort(key=lambda pair: (pair[0][2], int(pair[0][3])))
    return Recordings(
        clips=[clip for _, clip in found],
        read=Reading(size=SIZE, mode=mode, from_zero=True),
        labels=np.array([CLASSES.index(match[2]) for match, _ in found], np.int64),
        ids=np.array([int(match[3]) for match, _ in found], np.int64),
        classes=CLASSES,
        size=SIZE,
    )
