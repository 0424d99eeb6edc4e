"""Free Spoken Digit Dataset: the digits 0 to 9, spoken 50 times each by 6 people, 8 kHz.

Source: Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.audio.sound import Sound
from ranvier.data.download import RemoteFile
from ranvier.data.formats import archive, npz, wav
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


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """Recordings with labels, one after the other in memory; sample i is (``Sound``, label)."""

    audio: NDArray[np.int16]  # (N,) all samples
    offsets: NDArray[np.int64]  # (M + 1,)
    labels: NDArray[np.int64]  # (M,)
    speakers: tuple[str, ...]  # of each recording
    rate: int = RATE
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Sound, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        part = self.audio[self.offsets[index] : self.offsets[index + 1]]
        return Sound(part, self.rate), int(self.labels[index])  # type: ignore[arg-type] # int16 is scaled

    def take(self, indices: NDArray[Any]) -> "Sounds":
        """Choose recordings."""
        chosen = np.arange(len(self))[indices]
        parts = [self.audio[self.offsets[i] : self.offsets[i + 1]] for i in chosen]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])
        audio = np.concatenate([*parts, np.zeros(0, np.int16)])
        return Sounds(audio, offsets, self.labels[chosen], tuple(self.speakers[i] for i in chosen), self.rate)


def load(split: Split = "train", *, download: bool = False) -> Sounds:
    """Load the spoken digits from RANVIER_DATA or the cache, else download them.

    Looked for are the pack ``fsdd_train.npz`` or ``fsdd_test.npz``, the folder ``recordings`` of the project, then its
    zip archive.

    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    check_split(SOURCE, split)
    if (path := places.find(SOURCE.name, f"fsdd_{split}.npz")) is not None:
        return _from_pack(path)
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


def _from_pack(path: Path) -> Sounds:
    pack = npz.read(path)
    missing = {"audio", "offsets", "labels", "speaker", "speaker_names", "sample_rate"} - set(pack)
    if missing:
        raise FormatError(str(path), expected="a pack of sounds", got=f"one without {', '.join(sorted(missing))}")
    audio, offsets, labels = pack["audio"], pack["offsets"].astype(np.int64), pack["labels"].astype(np.int64)
    fits = audio.ndim == offsets.ndim == labels.ndim == 1 and len(offsets) == len(labels) + 1
    if not fits or audio.dtype != np.int16:
        raise FormatError(str(path), expected="int16 audio (N,), offsets (M + 1,), labels (M,)", got="others")
    if offsets[0] < 0 or offsets[-1] > len(audio) or (np.diff(offsets) < 0).any():
        raise FormatError(f"{path}: offsets", expected=f"rising numbers up to {len(audio)}", got="others")
    names, who = pack["speaker_names"], pack["speaker"].astype(np.int64)
    if len(who) != len(labels) or (len(who) and not 0 <= who.min() <= who.max() < len(names)):
        raise FormatError(f"{path}: speaker", expected=f"{len(labels)} numbers below {len(names)}", got="others")
    return Sounds(
        audio.astype(np.int16, copy=False),
        offsets,
        labels,
        tuple(str(names[w]) for w in who),
        int(pack["sample_rate"].reshape(-1)[0]),
    )


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
    offsets = np.concatenate([[0], np.cumsum([len(clip) for clip in clips], dtype=np.int64)])
    labels = np.array([digit for digit, _, _ in chosen], np.int64)
    return Sounds(np.concatenate(clips), offsets, labels, tuple(speaker for _, speaker, _ in chosen))


def _parts(name: str) -> tuple[int, str, int] | None:
    match = _RECORDING.fullmatch(name)
    return (int(match[1]), match[2], int(match[3])) if match else None
