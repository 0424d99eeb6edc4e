"""Google Speech Commands v2: 105,829 clips of 1 s of 35 words, 16 kHz.

Source: Warden 2018, arXiv:1804.03209.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.audio.sound import Sound
from ranvier.data.download import RemoteFile
from ranvier.data.formats import wav
from ranvier.data.sets.recordings import unpack_tar
from ranvier.data.sets.source import Source, ThreeSplits, absent, check_split, obtain
from ranvier.data.sets.texts import read_text

_ARCHIVE = "speech_commands_v0.02.tar.gz"
RATE = 16000
_WORDS = """
backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one right
seven sheila six stop three tree two up visual wow yes zero
"""
CLASSES = tuple(_WORDS.split())
SOURCE = Source(
    name="speech_commands",
    title="Google Speech Commands v2",
    kind="sound",
    files=(
        RemoteFile(
            url=f"https://storage.googleapis.com/download.tensorflow.org/data/{_ARCHIVE}",
            name=_ARCHIVE,
            bytes=2_428_923_189,
            sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        ),
    ),
    licence="CC BY 4.0",
    citation="Warden 2018, arXiv:1804.03209",
    split="the publisher's validation_list.txt and testing_list.txt, the others train",
    splits=("train", "validation", "test"),
    unpacked=("testing_list.txt", "speech_commands_v0.02/testing_list.txt"),
)
_MEMBER = re.compile(r"(?:\./)?(?:([a-z]+)/([0-9a-f]+_nohash_[0-9]+\.wav)|((?:validation|testing)_list\.txt))")
_CLIP = re.compile(r"([a-z]+)/(([0-9a-f]+)_nohash_[0-9]+\.wav)")
_MAX_BYTES = 8 << 30
_LISTS = ("validation_list.txt", "testing_list.txt")


@dataclass(frozen=True, slots=True, eq=False)
class SpokenWords:
    """Clips read from their files when asked for; sample i is (``Sound``, label)."""

    paths: Sequence[Path]
    labels: NDArray[np.int64]  # (N,)
    speakers: tuple[str, ...]
    classes: tuple[str, ...] = CLASSES
    rate: int = RATE

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Sound, int]:
        sound = wav.read(self.paths[index])
        if sound.rate != self.rate:
            raise FormatError(str(self.paths[index]), expected=f"{self.rate} samples a second", got=str(sound.rate))
        return sound, int(self.labels[index])

    def take(self, indices: NDArray[Any]) -> "SpokenWords":
        """Choose clips."""
        chosen = np.arange(len(self))[indices]
        return SpokenWords(
            [self.paths[i] for i in chosen], self.labels[chosen], tuple(self.speakers[i] for i in chosen)
        )


def load(split: ThreeSplits = "train", *, download: bool = False) -> SpokenWords:
    """Load a part from RANVIER_DATA or the cache, else download it.

    Looked for are ``testing_list.txt``, ``validation_list.txt`` and ``yes/0a7c2a8d_nohash_0.wav`` and so on, in the
    folder of the set or ``speech_commands_v0.02`` below it, then the archive, which is unpacked once into the cache.

    Returns: clips of at most 1 s, in the order of their words and names.
    Raises: DataError if it is nowhere and ``download`` is False, or a listed clip is missing; FormatError.
    """
    check_split(SOURCE, split)
    listed = places.find(SOURCE.home, _LISTS[1], f"speech_commands_v0.02/{_LISTS[1]}")
    if listed is not None:
        home = listed.parent
    else:
        packed = obtain(SOURCE, _ARCHIVE, download=download)
        if packed is None:
            raise absent(SOURCE, _LISTS[1], _ARCHIVE)
        home = unpack_tar(SOURCE, packed, _MEMBER, max_bytes=_MAX_BYTES)
    parts = {"validation": _listed(home, _LISTS[0]), "test": _listed(home, _LISTS[1])}
    if split == "train":
        held = parts["validation"] | parts["test"]
        names = {f"{word}/{path.name}" for word in CLASSES for path in home.glob(f"{word}/*_nohash_*.wav")} - held
    else:
        names = parts[split]
    chosen = sorted(names)
    matches = [match for name in chosen if (match := _CLIP.fullmatch(name))]
    labels = np.array([CLASSES.index(match[1]) for match in matches], np.int64)
    return SpokenWords([home / match[0] for match in matches], labels, tuple(match[3] for match in matches))


def _listed(home: Path, name: str) -> set[str]:
    path = home / name
    if not path.exists():
        raise absent(SOURCE, name)
    found = read_text(path).content.split()
    for number, line in enumerate(found, 1):
        match = _CLIP.fullmatch(line)
        if match is None or match[1] not in CLASSES:
            raise FormatError(f"{path}: entry {number}", expected="WORD/NAME_nohash_N.wav", got=repr(line[:60]))
        if not (home / line).exists():
            raise absent(SOURCE, line)
    return set(found)
