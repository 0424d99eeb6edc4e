"""Labelled samples in memory, and the ``.npz`` packs they come from.

Image packs hold images and labels under any two names; event packs hold the columns ``x``, ``y``, ``p``, ``t`` (us) of
all recordings one after the other, ``offsets`` (N + 1), ``labels`` (N) and perhaps ``ids`` (N).
Letters: N samples, C channels, H W space, E events.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.core.errors import ConfigError, FormatError
from ranvier.data.columns import microseconds
from ranvier.data.events import Events, first_bad
from ranvier.data.formats import npz

Array = NDArray[Any]
_COLUMNS = ("x", "y", "p", "t", "offsets", "labels")


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images with labels: ``images[i]`` is (C, H, W) uint8; sample i is (that image as a tensor, its label)."""

    images: NDArray[np.uint8]  # (N, C, H, W)
    labels: NDArray[np.int64]  # (N,)
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.from_numpy(self.images[index]), int(self.labels[index])

    def take(self, indices: Array) -> "ImageSet":
        """Choose samples."""
        return ImageSet(self.images[indices], self.labels[indices], self.classes)


@dataclass(frozen=True, slots=True, eq=False)
class EventSet:
    """Recordings with labels, kept in as few bytes as the pack has; sample i is (``Events``, label).

    Recording i is the events from ``starts[i]`` to ``stops[i]``.
    """

    columns: dict[str, Array]  # x, y, p, t: (E,)
    starts: NDArray[np.int64]  # (N,)
    stops: NDArray[np.int64]  # (N,)
    labels: NDArray[np.int64]  # (N,)
    ids: NDArray[np.int64]  # (N,) in the order of the publication
    size: tuple[int, int]  # (H, W)
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        part = slice(int(self.starts[index]), int(self.stops[index]))
        column = {name: values[part] for name, values in self.columns.items()}
        events = Events(
            column["t"].astype(np.int64),
            column["x"].astype(np.int16),
            column["y"].astype(np.int16),
            column["p"].astype(np.uint8),
            self.size,
        )
        return events, int(self.labels[index])

    def take(self, indices: Array) -> "EventSet":
        """Choose recordings; the events themselves are shared."""
        chosen = (self.starts[indices], self.stops[indices], self.labels[indices], self.ids[indices])
        return EventSet(self.columns, *chosen, self.size, self.classes)

    def windows(self, duration: float | str, *, step: float | str | None = None) -> "EventSet":
        """Cut each recording into whole windows from its first event on; what is left at its end is left out.

        Nothing is copied, and events keep their times: frame them with ``start=None``.

        Args: duration: ms, or with a unit ("1 s"). step: from one window to the next, the duration by default.
        Returns: a set whose samples are windows, in order; ``ids`` are those of their recordings.
        Raises: ConfigError for times below 1 us.
        """
        length = microseconds(duration, "EventSet.windows: duration")
        stride = length if step is None else microseconds(step, "EventSet.windows: step")
        if length < 1 or stride < 1:
            got = f"{duration!r} and {step!r}"
            raise ConfigError("EventSet.windows", expected="a duration and a step of at least 1 us", got=got)
        whose, starts, stops = [], [], []
        for index, (start, stop) in enumerate(zip(self.starts.tolist(), self.stops.tolist(), strict=True)):
            t = self.columns["t"][start:stop].astype(np.int64)
            span = int(t[-1] - t[0]) + 1 if t.size else 0
            begins = np.arange((span - length) // stride + 1 if span >= length else 0) * stride + (
                t[0] if t.size else 0
            )
            starts.append(start + np.searchsorted(t, begins))
            stops.append(start + np.searchsorted(t, begins + length))
            whose.append(np.full(len(begins), index))
        joined = [np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64) for parts in (whose, starts, stops)]
        labels, ids = self.labels[joined[0]], self.ids[joined[0]]
        return EventSet(self.columns, joined[1], joined[2], labels, ids, self.size, self.classes)


def load_images(
    path: str | Path, *, images: str = "x", labels: str = "y", classes: tuple[str, ...] = tuple("0123456789")
) -> ImageSet:
    """Load an image pack; images (N, H, W) get one channel.

    Raises: FormatError, naming path and member, if the arrays do not belong together; UnknownNameError for a name that
        the pack lacks.
    """
    pack = npz.read(path, (images, labels))
    return image_set(pack[images], pack[labels], classes, where=f"{path}: member '{images}.npy'")


def image_set(images: Array, labels: Array, classes: tuple[str, ...], *, where: str) -> ImageSet:
    """Make an image set of arrays after checking that they belong together; ``where`` names them in a FormatError."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        got = f"{images.dtype} {images.shape}"
        raise FormatError(where, expected="images (N, H, W) or (N, C, H, W) of uint8", got=got)
    number = check_labels(where, labels, len(images), len(classes))
    return ImageSet(images[:, None] if images.ndim == 3 else images, number, classes)


def load_events(path: str | Path, *, size: tuple[int, int], classes: tuple[str, ...] = tuple("0123456789")) -> EventSet:
    """Load an event pack of a sensor of ``size`` (height, width).

    Raises: FormatError, naming path, member and event, if a column is missing or of another length, the offsets do not
        rise, an event is off the sensor, or time runs backwards within a recording.
    """
    pack = npz.read(path)
    if missing := [name for name in _COLUMNS if name not in pack]:
        raise FormatError(str(path), expected="an event pack", got="no member " + ", ".join(missing))
    return event_set(pack, size=size, classes=classes, where=str(path))


def event_set(pack: dict[str, Array], *, size: tuple[int, int], classes: tuple[str, ...], where: str) -> EventSet:
    """Make an event set of a pack's arrays after checking them; ``where`` names the file in a FormatError."""
    columns = {name: pack[name] for name in ("x", "y", "p", "t")}
    for name, column in columns.items():
        if column.dtype.kind not in "biu" or column.shape != columns["t"].shape or column.ndim != 1:
            got = f"{column.dtype} {column.shape}"
            expected = f"whole numbers of shape ({columns['t'].size},)"
            raise FormatError(f"{where}: member '{name}.npy'", expected=expected, got=got)
    offsets = pack["offsets"]
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or not offsets.size:
        raise FormatError(f"{where}: member 'offsets.npy'", expected="N + 1 whole numbers", got=str(offsets.shape))
    offsets = offsets.astype(np.int64)
    total = columns["t"].size
    if offsets[0] != 0 or offsets[-1] != total or (np.diff(offsets) < 0).any():
        got = f"{offsets[0]} to {offsets[-1]}" + (", falling in between" if (np.diff(offsets) < 0).any() else "")
        raise FormatError(f"{where}: member 'offsets.npy'", expected=f"rising offsets from 0 to {total}", got=got)
    labels = check_labels(where, pack["labels"], len(offsets) - 1, len(classes))
    ids = np.asarray(pack.get("ids", np.arange(1, len(offsets))))
    if ids.shape != labels.shape or ids.dtype.kind not in "iu":
        raise FormatError(f"{where}: member 'ids.npy'", expected=f"{len(labels)} whole numbers", got=str(ids.shape))
    _check_events(where, columns, offsets, size)
    return EventSet(columns, offsets[:-1], offsets[1:], labels, ids.astype(np.int64), size, classes)


def check_labels(where: str, labels: Array, count: int, num_classes: int) -> NDArray[np.int64]:
    """Give labels as int64.

    Raises: FormatError, naming ``where``, unless there are ``count`` whole numbers below ``num_classes``.
    """
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise FormatError(where, expected=f"{count} labels", got=f"{labels.dtype} {labels.shape}")
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) >= num_classes):
        got = f"{labels.min()} to {labels.max()}"
        raise FormatError(where, expected=f"labels from 0 to {num_classes - 1}", got=got)
    return labels.astype(np.int64)


def _check_events(where: str, columns: dict[str, Array], offsets: NDArray[np.int64], size: tuple[int, int]) -> None:
    # One pass over all recordings: a step back in time is allowed where a new one begins.
    t = columns["t"].astype(np.int64)
    steps = np.diff(t)
    borders = offsets[1:-1]
    borders = borders[(borders > 0) & (borders < t.size)]
    falls = steps < 0
    falls[borders - 1] = False
    off = (columns["x"] >= size[1]) | (columns["x"] < 0) | (columns["y"] >= size[0]) | (columns["y"] < 0)
    if not falls.any() and not off.any() and not (columns["p"] > 1).any() and not (columns["p"] < -1).any():
        return
    for index, (start, stop) in enumerate(pairwise(offsets)):
        part = slice(int(start), int(stop))
        bad = first_bad(t[part], columns["x"][part], columns["y"][part], columns["p"][part], size)
        if bad is not None:
            raise FormatError(f"{where}: recording {index}, event {bad[0]}", expected=bad[1], got=bad[2])
