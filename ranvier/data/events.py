"""The event array: what every reader gives, and what framing and augmentation take.

Letters: E events, H W the sensor's height and width.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, from_numpy

from ranvier.core.errors import DtypeError, ShapeError
from ranvier.data.native import native

_T, _PIXEL, _POLARITY = np.dtype(np.int64), np.dtype(np.int16), np.dtype(np.uint8)
_COLUMNS: dict[str, np.dtype[Any]] = {"t": _T, "x": _PIXEL, "y": _PIXEL, "polarity": _POLARITY}
_MAX_SIDE = 1 << 15


class EventTensors(NamedTuple):
    """The columns of an event array as tensors that share its memory."""

    t: Tensor  # (E,) int64, us
    x: Tensor  # (E,) int16
    y: Tensor  # (E,) int16
    polarity: Tensor  # (E,) uint8


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of one recording: four columns of one length, sorted by time.

    A pixel (x, y) has 0 <= x < W from left to right and 0 <= y < H from top to bottom; polarity is 1 for ON (brighter)
    and 0 for OFF. Columns are never copied by the constructor, so views stay views; it checks types and lengths only.
    ``Events.of`` converts and checks everything.

    Raises: DtypeError, ShapeError, if a column has another type or length.
    """

    t: NDArray[np.int64]  # (E,) microseconds, non-decreasing
    x: NDArray[np.int16]  # (E,)
    y: NDArray[np.int16]  # (E,)
    polarity: NDArray[np.uint8]  # (E,)
    size: tuple[int, int]  # (H, W)

    def __post_init__(self) -> None:
        if _are_columns(self.t, self.x, self.y, self.polarity):
            return
        for name, dtype in _COLUMNS.items():
            column = getattr(self, name)
            if not isinstance(column, np.ndarray) or column.dtype != dtype:
                got = str(column.dtype) if isinstance(column, np.ndarray) else type(column).__name__
                mend = "Events.of(...) converts."
                raise DtypeError(f"Events.{name}", expected=f"a numpy array of {dtype}", got=got, mend=mend)
            if column.shape != self.t.shape or column.ndim != 1:
                raise ShapeError(f"Events.{name}", expected=f"shape ({self.t.size},)", got=str(column.shape))

    @classmethod
    def of(cls, t: ArrayLike, x: ArrayLike, y: ArrayLike, polarity: ArrayLike, *, size: tuple[int, int]) -> Self:
        """Make an event array from columns of any integer type; polarity may be {0, 1}, {-1, 1} or bool.

        Raises: DtypeError for fractional columns; ShapeError if the lengths differ, time runs backwards, or an event is
            off the sensor, with the index of the first such event.
        """
        columns = {"t": np.asarray(t), "x": np.asarray(x), "y": np.asarray(y), "polarity": np.asarray(polarity)}
        for name, column in columns.items():
            if column.dtype.kind not in "biu" and column.size:
                raise DtypeError(f"Events.{name}", expected="whole numbers", got=str(column.dtype))
            if column.shape != columns["t"].shape or column.ndim != 1:
                raise ShapeError(f"Events.{name}", expected=f"shape ({columns['t'].size},)", got=str(column.shape))
        if (bad := first_bad(columns["t"], columns["x"], columns["y"], columns["polarity"], size)) is not None:
            raise ShapeError(f"Events, event {bad[0]}", expected=bad[1], got=bad[2])
        columns["polarity"] = columns["polarity"] > 0
        return cls(**{name: columns[name].astype(dtype, copy=False) for name, dtype in _COLUMNS.items()}, size=size)

    def __len__(self) -> int:
        return int(self.t.size)

    def __getitem__(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Events":
        """Select events; a slice gives views."""
        return Events(self.t[which], self.x[which], self.y[which], self.polarity[which], self.size)

    @property
    def duration(self) -> int:
        """Time from the first to the last event, us; 0 if there is none."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0

    def tensors(self) -> EventTensors:
        """Give the columns as tensors that share the memory of the arrays."""
        return EventTensors(from_numpy(self.t), from_numpy(self.x), from_numpy(self.y), from_numpy(self.polarity))

    def between(self, start: int, stop: int) -> "Events":
        """Give the events with start <= t < stop (us), as views."""
        first, last = np.searchsorted(self.t, (start, stop))
        return self[int(first) : int(last)]


def _are_columns(t: object, x: object, y: object, polarity: object) -> bool:
    """Tell whether these are arrays of the types and of one length, as an event array has them."""
    return (
        isinstance(t, np.ndarray)
        and isinstance(x, np.ndarray)
        and isinstance(y, np.ndarray)
        and isinstance(polarity, np.ndarray)
        and t.dtype == _T
        and x.dtype == _PIXEL
        and y.dtype == _PIXEL
        and polarity.dtype == _POLARITY
        and t.ndim == 1
        and t.shape == x.shape == y.shape == polarity.shape
    )


def first_bad(
    t: NDArray[np.generic],
    x: NDArray[np.generic],
    y: NDArray[np.generic],
    polarity: NDArray[np.generic],
    size: tuple[int, int],
) -> tuple[int, str, str] | None:
    """Find the first event that breaks the rules of an event array.

    Returns: its index, what was expected and what is there, in words; None if all are good.
    """
    height, width = size
    # The extension finds whether there is one; what is wrong with it is said below.
    sensor = 0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE
    extension = native() if sensor and _are_columns(t, x, y, polarity) else None
    if extension is not None and extension.unsound(t, x, y, polarity, size) < 0:
        return None
    time = t.astype(np.int64, copy=False)
    off = (x < 0) | (x >= width) | (y < 0) | (y >= height)  # type: ignore[operator] # numbers of any kind
    odd = (polarity != 0) & (polarity != 1) & (polarity != -1)
    back = np.zeros(time.shape, bool)
    back[1:] = time[1:] < time[:-1]
    bad = np.flatnonzero(off | odd | back)
    if not bad.size:
        return None
    at = int(bad[0])
    if off[at]:
        return at, f"a pixel of a sensor of {height} x {width} (height x width)", f"x = {x[at]}, y = {y[at]}"
    if odd[at]:
        return at, "a polarity of 0 or 1", str(polarity[at])
    return at, f"a time >= {time[at - 1]} us, that of the event before", f"{time[at]} us"
