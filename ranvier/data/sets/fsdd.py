"""Free Spoken Digit Dataset: the digits 0 to 9, spoken 50 times each by 6 people, 8 kHz.

Source: Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.audio.sound import Sound
from ranvier.data.download import RemoteFile
from ranvier.data.formats import archive, wav
from ranvier.data.sets import arrays
from ranvier.data.sets.pack import check_labels
from ranvier.data.sets.sounds import Sounds, joined, read_sounds
from ranvier.data.sets.source import Pack, Source, Split, absent, check_split, obtain

RATE = 8000
CLASSES = tuple("0123456789")
TEST_REPETITIONS = 5  # the first five of each speaker and digit, by the project's own rule
_RECORDING = re.compile(r"([0-9])_([a-z]+)_([0-9]{1,3})\.wav")
SOURCE = Source(
    name="fsdd",
    title="Free Spoken Digit Dataset",
    kind="sound",
    files=(
        RemoteFile(
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip",
            name="free-spoken-digit-dataset-master.zip",
        ),
    ),
    licence="CC BY-SA 4.0",
    citation="Jackson et al., Free Spoken Digit Dataset",
    split="repetitions 0 to 4 test (300), the others train",
    packs=(
        Pack("fsdd_train.npz", 10_749_394, "bdb9eac7d48eaf4a4168ee98347c68ac5859bfa7a51e735df3ca38576b572cb5"),
        Pack("fsdd_test.npz", 1_346_027, "12ce5ebddaf9effadf32eb1c8f9fc5ec2f56d2b3baab2c67d1d07ae48ddf7427"),
    ),
    unpacked=("recordings/[0-9]_*.wav",),
)


def load(split: Split = "train", *, download: bool = False) -> Sounds:
    """Load the spoken digits from RANVIER_DATA or the cache, else download them.

    Looked for are the pack ``fsdd_train.npz`` or ``fsdd_test.npz``, the folder ``recordings`` of the project, then its
    zip archive.

    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    if (path := places.find(SOURCE.name, f"fsdd_{split}.npz")) is not None:
        made = read_sounds(path, classes=CLASSES)
        return replace(made, speakers=_speakers(path, len(made)))
    if (path := places.find(SOURCE.name, "recordings")) is not None:
        return _gather(split, {file.name: _Recording(file) for file in path.iterdir()})
    path = obtain(SOURCE, SOURCE.files[0].name, download=download)
    if path is None:
        raise absent(SOURCE, f"fsdd_{split}.npz", "recordings/0_george_0.wav", SOURCE.files[0].name)
    entries = archive.directory(path)
    return _gather(split, {name.rsplit("/", 1)[-1]: _Recording(path, entry) for name, entry in entries.items()})


@dataclass(frozen=True, slots=True)
class _Recording:
    """A recording, in a file of its own or in an archive."""

    path: Path
    entry: zipfile.ZipInfo | None = None

    def read(self) -> Sound:
        if self.entry is None:
            return wav.read(self.path)
        return wav.parse(archive.read(self.path, self.entry), where=f"{self.path}: member {self.entry.filename!r}")


def _speakers(path: Path, count: int) -> tuple[str, ...]:
    pack = arrays.read(path, {"speaker": (arrays.INTEGERS, 1), "speaker_names": (arrays.TEXT, 1)})
    names = arrays.words(pack["speaker_names"])
    who = check_labels(f"{path}: speaker", pack["speaker"], count, len(names))
    return tuple(names[w] for w in who)


def _gather(split: Split, files: Mapping[str, _Recording]) -> Sounds:
    named = {parts: recording for name, recording in files.items() if (parts := _parts(name)) is not None}
    chosen = sorted(parts for parts in named if (parts[2] < TEST_REPETITIONS) == (split == "test"))
    if not chosen:
        raise absent(SOURCE, "recordings/0_george_0.wav")
    clips = []
    for parts in chosen:
        sound = named[parts].read()
        if sound.rate != RATE:
            got = str(sound.rate)
            raise FormatError(str(named[parts].path), expected=f"{RATE} samples a second", got=got)
        clips.append(np.rint(sound.samples * 32768).clip(-32768, 32767).astype(np.int16))
    labels = np.array([digit for digit, _, _ in chosen], np.int64)
    return Sounds(*joined(clips), labels, tuple(speaker for _, speaker, _ in chosen), RATE, CLASSES)


def _parts(name: str) -> tuple[int, str, int] | None:
    match = _RECORDING.fullmatch(name)
    return (int(match[1]), match[2], int(match[3])) if match else None
