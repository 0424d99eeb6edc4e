"""Place cells: sorted units of a rat's hippocampus on a linear track and in a W maze, with the position of the head.

Source: example data of the nelpy project, github.com/nelpy/example-data.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of
from ranvier.data.sets.spiketrains import SPIKES, Trains, trains

Maze = Literal["linear_track", "w_maze"]
MAZES = ("linear_track", "w_maze")
SOURCE = Source(
    name="neural_hippocampus",
    title="Rat hippocampal place cells",
    kind="neural recordings",
    licence="MIT",
    citation="nelpy/example-data (no publication named there)",
    split="none",
    splits=(),
    packs=(
        Pack("linear_track.npz", 368_697, "9b681e8b5643c244b46ed5bdf7857b8532c486e199d9c05279e5f208732fc847"),
        Pack("w_maze.npz", 1_644_062, "b6ce498d395213240d8c63ecd8a4a377c010e9864c28a440e532b2fd3a1f284c"),
    ),
    by_hand=pack_of("nelpy/example-data", "099548c060"),
)


class Session(NamedTuple):
    """Spikes and position on one clock. Letters: T samples of the video."""

    trains: Trains
    t: NDArray[np.float64]  # (T,) ms
    x: NDArray[np.float64]  # (T,) pixels of 640
    y: NDArray[np.float64]  # (T,) pixels of 480


def load(maze: Maze = "linear_track") -> Session:
    """Load a session: 31 units on the linear track, 25 in the W maze.

    Packs: ``spike_times`` s, ``offsets``, ``pos_t`` s, ``pos_x``, ``pos_y``.
    Raises: ConfigError for an unknown maze; DataError if it is nowhere; FormatError for a broken pack.
    """
    if maze not in MAZES:
        raise ConfigError("neural_hippocampus", expected=f"a maze: {', '.join(MAZES)}", got=repr(maze))
    path = find(SOURCE, f"{maze}.npz")
    places = ("pos_t", "pos_x", "pos_y")
    pack = arrays.read(path, {**SPIKES, **dict.fromkeys(places, (arrays.NUMBERS, 1))})
    arrays.check_lengths(path, pack, *places)
    t, x, y = (pack[name].astype(np.float64) for name in places)
    return Session(trains(path, pack), 1e3 * t, x, y)
