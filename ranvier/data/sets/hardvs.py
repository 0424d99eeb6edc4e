"""HARDVS: 300 human activities before a DAVIS346.

Source: Wang et al. 2022, arXiv:2211.09648, "HARDVS: Revisiting Human Activity Recognition with Dynamic Vision Sensors".
"""

import re

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.formats.faults import Mode
from ranvier.data.sets.recordings import Clip, Reading, Recordings, gather, unnest
from ranvier.data.sets.source import Source, ThreeSplits, absent, check_split, ensure
from ranvier.data.sets.texts import read_text

SIZE = (260, 346)
CLASSES = tuple(f"action_{number:03d}" for number in range(1, 301))
_PAGE = "https://github.com/Event-AHU/HARDVS"
_MD5 = {
    "MINI_HARDVS_files.zip": "9c4cc0d9ba043faa17f6f1a9e9aff982",
    "train_label.txt": "0d642b6e6871034f151b2649a89d8d3c",
    "val_label.txt": "cd2cebcba80e4552102bbacf2b5df812",
    "test_label.txt": "5b664af5843f9b476a9c22626f7f5a59",
}
SOURCE = Source(
    name="hardvs",
    title="HARDVS (compact events)",
    kind="events",
    files=tuple(RemoteFile(url=_PAGE, name=name, md5=md5) for name, md5 in _MD5.items()),
    licence="see the publisher's page",
    citation="Wang et al. 2022, arXiv:2211.09648",
    split="the publisher's lists train_label.txt, val_label.txt, test_label.txt",
    splits=("train", "validation", "test"),
    unpacked=("*_label.txt",),
    by_hand=f"It lies on a drive without a plain address: see {_PAGE}.",
)
_INNER = re.compile(r"(?:.*/)?(?P<name>action_[0-9]{3}\.zip)")
_LINE = re.compile(r"(action_[0-9]{3})/([\w.-]+?)(?:\.npz)?")
_FILE = re.compile(r"(?:.*/)?(action_[0-9]{3})/(?:.*/)?([\w.-]+)\.npz")


def load(split: ThreeSplits = "train", *, mode: Mode = "strict", download: bool = False) -> Recordings:
    """Load a part: the recordings that its list names, in that order.

    Looked for are ``train_label.txt`` and so on with lines such as "action_001/dvSave-2021_10_15_19_18_02 0", and
    ``action_001/dvSave-2021_10_15_19_18_02.npz`` in folders or in ``action_001.zip``. The label is that of the folder,
    from 0 on. Times count from the first event.

    Args: mode: as ``open_events``.
    Raises: DataError if it is nowhere or a recording of the list is missing; FormatError for a broken list.
    """
    check_split(SOURCE, split)
    ensure(SOURCE, download=download)
    name = {"train": "train", "validation": "val", "test": "test"}[split] + "_label.txt"
    listed = places.find(SOURCE.home, name)
    if listed is None:
        raise absent(SOURCE, name)
    unnest(SOURCE, "MINI_HARDVS_files.zip", _INNER)
    clips: dict[tuple[str, str], Clip] = {
        (match[1], match[2]): clip for match, clip in gather(SOURCE, _FILE, such_as="action_001/NAME.npz")
    }
    chosen = []
    for number, line in enumerate(read_text(listed).content.splitlines(), 1):
        if not line.strip():
            continue
        words = line.split()
        match = _LINE.fullmatch(words[0])
        if match is None or match[1] not in CLASSES:
            raise FormatError(f"{listed}: line {number}", expected="action_001/NAME and a label", got=repr(line[:60]))
        if match.groups() not in clips:
            raise absent(SOURCE, f"{words[0]}.npz (line {number} of {name})")
        chosen.append((match[1], clips[match[1], match[2]]))
    return Recordings(
        clips=[clip for _, clip in chosen],
        read=Reading(size=SIZE, mode=mode, from_zero=True),
        labels=np.array([CLASSES.index(action) for action, _ in chosen], np.int64),
        ids=np.arange(len(chosen)),
        classes=CLASSES,
        size=SIZE,
    )
