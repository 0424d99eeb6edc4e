"""What SHD and SSC share: spikes of 700 channels of an artificial cochlea in HDF5, one recording a row.

Layout: ``spikes/times`` (s, float16) and ``spikes/units`` of variable length, ``labels``, in SHD also ``extra/speaker``
and ``extra/keys``. Times of float16 near 1 s are 0.5 to 1 ms apart: finer bins mean nothing.
Source: Cramer, Stradmann, Schemmel and Zenke 2022, IEEE Trans. Neural Netw. Learn. Syst. 33:2744.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data import places
from ranvier.data.events import Events
from ranvier.data.formats import archive, hdf5
from ranvier.data.sets.pack import check_labels
from ranvier.data.sets.source import Source, absent, obtain

CHANNELS = 700
SIZE = (1, CHANNELS)


@dataclass(frozen=True, slots=True, eq=False)
class SpikeTrains:
    """Recordings read from the file when asked for; sample i is (``Events`` with the channel as x, label)."""

    path: Path
    rows: NDArray[np.int64]  # (N,) in the file
    labels: NDArray[np.int64]  # (N,)
    speakers: NDArray[np.int64]  # (N,) -1 where the file names none
    classes: tuple[str, ...]
    size: tuple[int, int] = SIZE

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        return hdf5.spikes(self.path, int(self.rows[index]), channels=CHANNELS), int(self.labels[index])

    def take(self, indices: NDArray[Any]) -> "SpikeTrains":
        """Choose recordings."""
        return SpikeTrains(
            self.path, self.rows[indices], self.labels[indices], self.speakers[indices], self.classes, self.size
        )


def load_spikes(source: Source, name: str, classes: tuple[str, ...], *, download: bool) -> SpikeTrains:
    """Load ``name`` (such as shd_train.h5), or take it out of the official ``name.zip`` into the cache, once.

    Raises: DataError if it is nowhere and ``download`` is False; FormatError for broken files.
    """
    path = places.find(source.home, name)
    if path is None:
        packed = obtain(source, f"{name}.zip", download=download)
        if packed is None:
            raise absent(source, name, f"{name}.zip")
        path = archive.extract(packed, _member(packed, name), places.cache_folder() / source.home / name)
    labels, speakers, keys = hdf5.spike_labels(path)
    names = keys if len(keys) == len(classes) else classes
    number = check_labels(f"{path}: labels", labels, len(labels), len(names))
    return SpikeTrains(path, np.arange(len(labels)), number, speakers, names)


def _member(packed: Path, name: str) -> zipfile.ZipInfo:
    entries = archive.directory(packed)
    for member, entry in entries.items():
        if member.rpartition("/")[2] == name:
            return entry
    raise FormatError(str(packed), expected=f"the member {name}", got=f"{len(entries)} others")
