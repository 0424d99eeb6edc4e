"""Recorded sounds with labels in memory, and the packs they come from.

A pack of sounds holds ``audio`` (int16, all recordings one after the other), ``offsets`` (M + 1), ``labels`` (M),
``sample_rate``, and the names of something.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.audio.sound import Sound
from ranvier.data.sets import arrays
from ranvier.data.sets.pack import check_labels


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """Recordings with labels, one after the other in memory; sample i is (``Sound``, label)."""

    audio: NDArray[np.int16]  # (N,) all samples
    offsets: NDArray[np.int64]  # (M + 1,)
    labels: NDArray[np.int64]  # (M,)
    speakers: tuple[str, ...]  # of each recording; "" where nobody says
    rate: int
    classes: tuple[str, ...]

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
        speakers = tuple(self.speakers[i] for i in chosen)
        audio, offsets = joined(parts)
        return Sounds(audio, offsets, self.labels[chosen], speakers, self.rate, self.classes)


def joined(parts: list[NDArray[np.int16]]) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Put recordings one after the other: (audio, offsets)."""
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])
    return np.concatenate([*parts, np.zeros(0, np.int16)]), offsets


def read_sounds(path: Path, *, classes: tuple[str, ...]) -> Sounds:
    """Read a pack of sounds.

    Raises: FormatError for one that is broken, or has labels without a class.
    """
    wanted = dict.fromkeys(("audio", "offsets", "labels"), (arrays.INTEGERS, 1))
    pack = arrays.read(path, {**wanted, "sample_rate": (arrays.INTEGERS, 0)})
    audio, offsets = pack["audio"], pack["offsets"]
    if audio.dtype != np.int16 or len(offsets) != len(pack["labels"]) + 1:
        raise FormatError(str(path), expected="int16 audio (N,), offsets (M + 1,), labels (M,)", got="others")
    return Sounds(
        audio,
        arrays.check_offsets(path, offsets, len(audio)),
        check_labels(str(path), pack["labels"], len(offsets) - 1, len(classes)),
        ("",) * (len(offsets) - 1),
        int(pack["sample_rate"]),
        classes,
    )
