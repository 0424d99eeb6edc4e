"""Noisy and clean speech, sample by sample: five sentences of one speaker, 16 kHz.

Source: Valentini-Botinhao 2017, "Noisy speech database for training speech enhancement algorithms and TTS models".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.audio.sound import Sound
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACK = "speech_denoise_pairs.npz"
SOURCE = Source(
    name="audio_denoise",
    title="Noisy and clean speech",
    kind="sound",
    licence="CC BY 4.0 (database); CC BY-NC 4.0 (the repository of the pack)",
    citation="Valentini-Botinhao 2017, Noisy speech database",
    split="none",
    splits=(),
    packs=(Pack(PACK, 1_153_183, "5bc14160874ce69edbcfc982ecd589158842974e70c81d317d536ac59b60a508"),),
    by_hand=pack_of("facebookresearch/denoiser", "8afd7c1666"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Sentences twice; sample i is (noisy, clean), two sounds of one length."""

    noisy: NDArray[np.int16]  # (N,) all samples
    clean: NDArray[np.int16]  # (N,)
    offsets: NDArray[np.int64]  # (M + 1,)
    names: tuple[str, ...]  # of the sentences
    rate: int

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Sound, Sound]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        noisy, clean = (np.asarray(wave[part], np.float32) / np.float32(32768) for wave in (self.noisy, self.clean))
        return Sound(noisy, self.rate), Sound(clean, self.rate)


def load() -> Pairs:
    """Load the pairs.

    Pack: ``noisy`` and ``clean`` (N,) int16, ``offsets``, ``utterance``, ``sample_rate``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    path = find(SOURCE, PACK)
    whole = (arrays.INTEGERS, 1)
    wanted = {"noisy": whole, "clean": whole, "offsets": whole, "utterance": (arrays.TEXT, 1)}
    pack = arrays.read(path, {**wanted, "sample_rate": (arrays.INTEGERS, 0)})
    noisy, clean = pack["noisy"], pack["clean"]
    if noisy.dtype != np.int16 or clean.dtype != np.int16 or noisy.shape != clean.shape:
        got = f"{noisy.dtype} {noisy.shape} and {clean.dtype} {clean.shape}"
        raise FormatError(str(path), expected="two waves of int16 and of one length", got=got)
    offsets = arrays.check_offsets(path, pack["offsets"], len(noisy))
    names = arrays.words(pack["utterance"])
    if len(offsets) != len(names) + 1:
        raise FormatError(f"{path}: offsets", expected=f"{len(names) + 1} of them", got=str(len(offsets)))
    return Pairs(noisy, clean, offsets, names, int(pack["sample_rate"]))
