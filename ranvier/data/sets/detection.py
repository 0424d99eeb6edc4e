"""Recordings with boxes around objects, each at a time: what detection sets give."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.events import Events
from ranvier.data.formats import records
from ranvier.data.formats.faults import Mode
from ranvier.data.open import Recording, open_events

_PLACE = ("x", "y", "w", "h", "class_id", "track_id")


class Boxes(NamedTuple):
    """Boxes in pixels, in the order of time. Letters: K boxes."""

    t: NDArray[np.int64]  # (K,) us, on the clock of the events
    x: NDArray[np.float32]  # (K,) left edge
    y: NDArray[np.float32]  # (K,) upper edge
    width: NDArray[np.float32]  # (K,)
    height: NDArray[np.float32]  # (K,)
    labels: NDArray[np.int64]  # (K,)
    tracks: NDArray[np.int64]  # (K,) the same number is the same object
    confidence: NDArray[np.float32]  # (K,)

    def chosen(self, which: NDArray[Any] | slice) -> "Boxes":
        """Choose boxes."""
        return Boxes._make(column[which] for column in self)

    def between(self, start: int, stop: int) -> "Boxes":
        """Choose those with start <= t < stop, us."""
        first, last = np.searchsorted(self.t, (start, stop))
        return self.chosen(slice(int(first), int(last)))

    def large(self, *, diagonal: float, side: float, after: int = 0) -> "Boxes":
        """Choose what evaluations count: at least this diagonal and sides (pixels), and t >= after (us)."""
        long = self.width**2 + self.height**2 >= diagonal**2
        return self.chosen(long & (self.width >= side) & (self.height >= side) & (self.t >= after))


class Scene(NamedTuple):
    """A recording and its boxes."""

    recording: Recording
    boxes: Boxes

    def window(self, start: int, stop: int) -> tuple[Events, Boxes]:
        """Read the events and choose the boxes with start <= t < stop, us."""
        return self.recording.between(start, stop), self.boxes.between(start, stop)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Detections:
    """Recordings with boxes, opened when asked for; sample i is a ``Scene``."""

    recordings: Sequence[Path]
    boxes: Sequence[Path]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    size: tuple[int, int]  # (H, W)
    mode: Mode = "strict"

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> Scene:
        recording = open_events(self.recordings[index], mode=self.mode, size=self.size)
        return Scene(recording, read_boxes(self.boxes[index], len(self.classes)))

    def take(self, indices: NDArray[Any]) -> "Detections":
        """Choose recordings."""
        chosen = np.arange(len(self))[indices]
        return Detections(
            recordings=[self.recordings[i] for i in chosen],
            boxes=[self.boxes[i] for i in chosen],
            names=tuple(self.names[i] for i in chosen),
            classes=self.classes,
            size=self.size,
            mode=self.mode,
        )


def read_boxes(path: Path, num_classes: int) -> Boxes:
    """Read a ``.npy`` of boxes as Prophesee and DSEC store them, sorted by time.

    Fields: ``t`` or ``ts``, ``x``, ``y``, ``w``, ``h``, ``class_id``, ``track_id``, ``class_confidence`` or
    ``confidence``.
    Raises: FormatError for other fields, a box that is no box, or a class that is none.
    """
    data = path.read_bytes()
    found = _either(data, path, ("t", "ts")), _either(data, path, ("class_confidence", "confidence"))
    fields = records.parse(data, _PLACE, where=str(path))
    places = [fields[name].astype(np.float32) for name in ("x", "y", "w", "h")]
    times, confidence = found[0].astype(np.int64), found[1].astype(np.float32)
    bad = ~np.isfinite(np.stack([*places, confidence])).all(0) | (places[2] < 0) | (places[3] < 0) | (times < 0)
    bad |= fields["class_id"].astype(np.int64) >= num_classes
    if bad.any():
        at = int(np.argmax(bad))
        words = ", ".join(f"{name} = {fields[name][at]}" for name in _PLACE)
        expected = f"finite boxes of {num_classes} classes"
        raise FormatError(f"{path}: record {at}", expected=expected, got=f"t = {times[at]}, {words}")
    labels, tracks = fields["class_id"].astype(np.int64), fields["track_id"].astype(np.int64)
    order = np.argsort(times, kind="stable")
    x, y, width, height = places
    return Boxes(times, x, y, width, height, labels, tracks, confidence).chosen(order)


def _either(data: bytes, path: Path, names: tuple[str, str]) -> NDArray[Any]:
    """Read the field under its newer or its older name."""
    try:
        return records.parse(data, names[:1], where=str(path))[names[0]]
    except FormatError:
        return records.parse(data, names[1:], where=str(path))[names[1]]
