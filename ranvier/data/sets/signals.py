"""Labelled signals in memory: what accelerometers, electrodes and other sensors give, one window a sample.

Letters: N samples, T time, C channels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.core.errors import FormatError
from ranvier.data.sets.pack import check_labels

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SignalSet:
    """Signals with labels; sample i is (``scale * (values[i] - zero)`` as a float32 tensor (T, C), its label)."""

    values: Array  # (N, T, C) as stored, whole numbers where the sensor gave such
    labels: NDArray[np.int64]  # (N,)
    classes: tuple[str, ...]
    rate: float  # samples a second; 0 where the axis is no time
    groups: NDArray[np.int64]  # (N,) who or what a sample comes from: person, record; no group is in two splits
    lengths: NDArray[np.int64]  # (N,) how many of the T steps are data, the others repeat the last one or are 0
    scale: float = 1.0  # of one step of ``values`` in ``unit``
    zero: float = 0.0
    unit: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        value_TC = (self.values[index].astype(np.float32) - np.float32(self.zero)) * np.float32(self.scale)
        return torch.from_numpy(value_TC), int(self.labels[index])

    def take(self, indices: Array) -> "SignalSet":
        """Choose samples."""
        return SignalSet(
            values=self.values[indices],
            labels=self.labels[indices],
            classes=self.classes,
            rate=self.rate,
            groups=self.groups[indices],
            lengths=self.lengths[indices],
            scale=self.scale,
            zero=self.zero,
            unit=self.unit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the numbers of a signal set mean."""

    classes: tuple[str, ...]
    rate: float = 0.0
    scale: float = 1.0
    zero: float = 0.0
    unit: str = ""


def signal_set(
    where: str | Path,
    values: Array,
    labels: Array,
    meaning: Meaning,
    *,
    groups: Array | None = None,
    lengths: Array | None = None,
) -> SignalSet:
    """Make a signal set after checking its arrays; ``values`` (N, T) get an axis of one channel.

    Raises: FormatError, naming ``where``, for other shapes, labels without a class, or lengths that do not fit.
    """
    where = str(where)
    values = values[:, :, None] if values.ndim == 2 else values
    if values.ndim != 3 or values.dtype.kind not in "iuf":
        raise FormatError(where, expected="signals (N, T) or (N, T, C)", got=f"{values.dtype} {values.shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise FormatError(where, expected="finite signals", got="NaN or infinity")
    count, steps = values.shape[:2]
    number = check_labels(where, labels, count, len(meaning.classes))
    columns = []
    for name, given, default in (("groups", groups, 0), ("lengths", lengths, steps)):
        column = np.full(count, default) if given is None else given
        if column.shape != (count,) or column.dtype.kind not in "iu":
            got = f"{column.dtype} {column.shape}"
            raise FormatError(f"{where}: {name}", expected=f"{count} whole numbers", got=got)
        columns.append(column.astype(np.int64))
    if count and not 0 <= columns[1].min() <= columns[1].max() <= steps:
        got = f"{columns[1].min()} to {columns[1].max()}"
        raise FormatError(f"{where}: lengths", expected=f"0 to {steps} steps", got=got)
    return SignalSet(
        values=values,
        labels=number,
        classes=meaning.classes,
        rate=meaning.rate,
        groups=columns[0],
        lengths=columns[1],
        scale=meaning.scale,
        zero=meaning.zero,
        unit=meaning.unit,
    )
