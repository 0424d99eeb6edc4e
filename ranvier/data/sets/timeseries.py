"""Time series: six of the UCR/UEA archive, movements of people told from radio signals, and three to forecast.

Source: the UCR/UEA archive; Bacciu, Barsocchi, Chessa, Gallicchio and Micheli 2014 (Indoor User Movement, UCI).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError, UnknownNameError
from ranvier.data.formats import npz
from ranvier.data.sets import arrays
from ranvier.data.sets.signals import Meaning, SignalSet, signal_set
from ranvier.data.sets.source import Pack, Source, Split, check_split, find, pack_of

UCR, MOVEMENT, FORECAST = "ucr_small.npz", "indoor_movement_rss.npz", "univariate_forecast.npz"
NAMES = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "OSULeaf", "BasicMotions", "JapaneseVowels")
Series = Literal["airline_passengers", "monthly_sunspots", "daily_min_temperatures"]
SOURCE = Source(
    name="timeseries",
    title="Time series (UCR/UEA, indoor movement, forecasting)",
    kind="signals",
    licence="BSD-3-Clause (sktime); CC BY 4.0 (UCI)",
    citation="UCR/UEA archive; Bacciu et al. 2014",
    split="UCR/UEA: the archive's; movement: none official, rooms of group 3 test; forecasting: none",
    packs=(
        Pack(UCR, 1_578_478, "576c63762ba28e055d0d003becd95a3d9e145efaa2ce1f0b61237997dbd2666d"),
        Pack(MOVEMENT, 36_384, "ebf38f0d7e5ea546ef9103445d42627923e79ea8e7c9cc107556241d32548866"),
        Pack(FORECAST, 10_089, "cd3c6ac1ee6eb66cf72e59f7db3bec62c9834f025843cdbc1af21e05a2b9ed28"),
    ),
    by_hand=pack_of("sktime/sktime", "7bd7d1620c"),
)


def load(split: Split = "train", *, name: str = "GunPoint") -> SignalSet:
    """Load a set of the archive; of sequences shorter than the longest ``lengths`` tell, what follows them is 0.

    Pack: ``NAME_train_x`` (N, C, T) float32 padded with NaN, ``NAME_train_y``, ``NAME_train_len``, the same for test.
    Raises: UnknownNameError for a set that the pack lacks; DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, UCR)
    there = sorted({member.partition("_")[0] for member in npz.names(path)})
    if name not in there:
        raise UnknownNameError.among("timeseries", name, there, kind="set")
    wanted = {
        f"{name}_{split}_{part}": (kind, axes) for part, kind, axes in (("x", "f", 3), ("y", "iu", 1), ("len", "iu", 1))
    }
    both = {f"{name}_{s}_y": (arrays.INTEGERS, 1) for s in SOURCE.splits}
    pack = arrays.read(path, wanted | both)
    values, labels, lengths = (pack[member] for member in wanted)
    num_classes = 1 + max(int(pack[member].max(initial=0)) for member in both)
    _check_padding(f"{path}: {name}_{split}_x", values, lengths)
    meaning = Meaning(classes=tuple(str(number) for number in range(num_classes)))
    return signal_set(path, np.nan_to_num(values).transpose(0, 2, 1), labels, meaning, lengths=lengths)


def movement(split: Split = "train") -> SignalSet:
    """Load the radio signals of four anchors while people walk (class 1: into another room).

    ``groups`` are the three pairs of rooms; pair 3 is test. Shorter sequences are padded with 0.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    check_split(SOURCE, split)
    path = find(SOURCE, MOVEMENT)
    whole = (arrays.INTEGERS, 1)
    pack = arrays.read(path, {"rss": ("f", 2), "offsets": whole, "labels": whole, "group": whole})
    offsets = arrays.check_offsets(path, pack["offsets"], len(pack["rss"]))
    if arrays.check_lengths(path, pack, "labels", "group") != len(offsets) - 1:
        raise FormatError(str(path), expected=f"{len(offsets) - 1} labels", got=str(len(pack["labels"])))
    chosen = np.flatnonzero((pack["group"] == 3) == (split == "test"))
    lengths = np.diff(offsets)
    values = np.zeros((len(chosen), int(lengths.max(initial=0)), pack["rss"].shape[1]), np.float32)
    for row, index in enumerate(chosen):
        values[row, : lengths[index]] = pack["rss"][offsets[index] : offsets[index + 1]]
    meaning = Meaning(classes=("same room", "another room"))
    labels, groups = pack["labels"][chosen], pack["group"][chosen]
    return signal_set(path, values, labels, meaning, groups=groups, lengths=lengths[chosen])


def forecast(series: Series = "monthly_sunspots") -> NDArray[np.float32]:
    """Load a series to forecast: (T,).

    Raises: UnknownNameError for one that the pack lacks; DataError if it is nowhere; FormatError for a broken pack.
    """
    path = find(SOURCE, FORECAST)
    if series not in npz.names(path):
        raise UnknownNameError.among("timeseries", series, npz.names(path), kind="series")
    return arrays.read(path, {series: ("f", 1)})[series].astype(np.float32)


def _check_padding(where: str, values: NDArray[np.float32], lengths: NDArray[np.int64]) -> None:
    steps = np.arange(values.shape[2])
    data = steps < lengths[:, None] if lengths.shape == values.shape[:1] else np.ones((len(values), len(steps)), bool)
    if not np.array_equal(np.isfinite(values), np.broadcast_to(data[:, None], values.shape)):
        raise FormatError(where, expected="numbers up to the length of each sequence and NaN after it", got="others")
