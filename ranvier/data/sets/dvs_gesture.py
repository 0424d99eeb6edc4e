"""DVS128 Gesture: 29 people make 11 hand and arm gestures under three lights, recorded with a DVS128.

Source: Amir et al. 2017, CVPR, "A Low Power, Fully Event-Based Gesture Recognition System".
"""

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.download import RemoteFile
from ranvier.data.events import Events
from ranvier.data.formats.faults import Mode
from ranvier.data.open import Recording, open_events
from ranvier.data.sets.recordings import since_first, unpack_tar
from ranvier.data.sets.source import Source, Split, absent, check_split, obtain
from ranvier.data.sets.texts import read_text

CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
SIZE = (128, 128)
_ARCHIVE = "DvsGesture.tar.gz"
_PAGE = "https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8/folder/50167556794"
SOURCE = Source(
    name="dvs_gesture",
    title="DVS128 Gesture",
    kind="events",
    files=(RemoteFile(url=_PAGE, name=_ARCHIVE, md5="8a5c71fb11e24e5ca5b11866ca6c00a1"),),
    licence="CC BY 4.0",
    citation="Amir et al. 2017, CVPR, A Low Power, Fully Event-Based Gesture Recognition System",
    split="by person: 1 to 23 train (1,176 gestures), 24 to 29 test (288)",
    unpacked=("trials_to_*.txt", "DvsGesture/trials_to_*.txt", _ARCHIVE),
    by_hand=f"Its publisher shows it on a page with a licence: get {_ARCHIVE} at {_PAGE}.",
)
_MEMBER = re.compile(
    r"(?:.*/)?(trials_to_(?:train|test)\.txt|user[0-9]{2}_[a-z_]+\.aedat|user[0-9]{2}_[a-z_]+_labels\.csv)"
)
_TRIAL = re.compile(r"(user([0-9]{2})_([a-z_]+))\.aedat")
_MAX_BYTES = 16 << 30


class Gesture(NamedTuple):
    """A part of a recording."""

    trial: int  # number of the recording
    start: int  # us, on the clock of the recording
    stop: int
    label: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Gestures:
    """Gestures cut from their recordings when asked for; sample i is (``Events`` from 0 us on, label)."""

    trials: Sequence[Recording]  # each keeps a place for every MiB of its file once it was read
    gestures: Sequence[Gesture]
    labels: NDArray[np.int64]  # (N,)
    people: NDArray[np.int64]  # (N,) 1 to 29
    lights: tuple[str, ...]  # of each gesture
    classes: tuple[str, ...] = CLASSES
    size: tuple[int, int] = SIZE

    def __len__(self) -> int:
        return len(self.gestures)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        gesture = self.gestures[index]
        return since_first(self.trials[gesture.trial].between(gesture.start, gesture.stop)), gesture.label

    def content(self, index: int) -> bytes:
        """Give what tells a gesture from others: the checksum of its recording, and its part of it."""
        trial, start, stop, _ = self.gestures[index]
        recording = self.trials[trial]
        state = recording.path.stat()
        whole = _checksum(recording.path, state.st_size, state.st_mtime_ns)
        return f"{whole} {recording.mode} {start} {stop}".encode()

    def take(self, indices: NDArray[Any]) -> "Gestures":
        """Choose gestures."""
        chosen = np.arange(len(self))[indices]
        return Gestures(
            trials=self.trials,
            gestures=[self.gestures[i] for i in chosen],
            labels=self.labels[chosen],
            people=self.people[chosen],
            lights=tuple(self.lights[i] for i in chosen),
        )


@lru_cache(maxsize=256)
def _checksum(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 # a file that changed is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(split: Split = "train", *, mode: Mode = "strict", download: bool = False) -> Gestures:
    """Load a part: the recordings that ``trials_to_train.txt`` or ``trials_to_test.txt`` lists.

    Looked for are these lists with ``user01_fluorescent.aedat`` (AEDAT 3.1), ``user01_fluorescent_labels.csv`` and so
    on, in the folder of the set or ``DvsGesture`` below it, then ``DvsGesture.tar.gz``, which is unpacked once into the
    cache. A gesture has the events with start <= t < end of its row; rows overlap in places, and ends that lie before
    starts give no events.

    Args: mode: as ``open_events``.
    Raises: DataError if it is nowhere; FormatError for broken lists; EventFormatError, when a gesture is read, for a
        broken recording.
    """
    check_split(SOURCE, split)
    listed = f"trials_to_{split}.txt"
    path = places.find(SOURCE.name, listed, f"DvsGesture/{listed}")
    if path is None:
        packed = obtain(SOURCE, _ARCHIVE, download=download)
        if packed is None:
            raise absent(SOURCE, listed, _ARCHIVE)
        path = unpack_tar(SOURCE, packed, _MEMBER, max_bytes=_MAX_BYTES) / listed
        if not path.exists():
            raise FormatError(str(packed), expected=f"the member {listed}", got="none")
    return _gather(path, mode)


def _gather(listed: Path, mode: Mode) -> Gestures:
    trials: list[Recording] = []
    gestures: list[Gesture] = []
    people: list[int] = []
    lights: list[str] = []
    for line in read_text(listed).content.split():
        match = _TRIAL.fullmatch(line)
        if match is None:
            raise FormatError(str(listed), expected="names such as user01_fluorescent.aedat", got=repr(line[:60]))
        if not (recording := listed.parent / line).exists():
            raise absent(SOURCE, line)
        rows = _rows(listed.parent / f"{match[1]}_labels.csv")
        gestures += [Gesture(len(trials), start, max(start, stop), label - 1) for label, start, stop in rows]
        people += [int(match[2])] * len(rows)
        lights += [match[3]] * len(rows)
        trials.append(open_events(recording, size=SIZE, mode=mode))
    labels = np.array([gesture.label for gesture in gestures], np.int64)
    whose = np.array(people, np.int64)
    return Gestures(trials=trials, gestures=gestures, labels=labels, people=whose, lights=tuple(lights))


def _rows(path: Path) -> list[tuple[int, int, int]]:
    if not path.exists():
        raise absent(SOURCE, path.name)
    rows = []
    for number, row in enumerate(csv.reader(read_text(path).content.splitlines()), 1):
        if number == 1 or not row:
            continue
        numbers = [int(cell) for cell in row if re.fullmatch(r"[0-9]{1,12}", cell.strip())]
        if len(row) != 3 or len(numbers) != 3 or not 1 <= numbers[0] <= len(CLASSES):
            got = repr(",".join(row)[:60])
            raise FormatError(f"{path}: line {number}", expected="class (1 to 11), start and end in us", got=got)
        rows.append((numbers[0], numbers[1], numbers[2]))
    return rows
