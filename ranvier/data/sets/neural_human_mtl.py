"""Single units of a human medial temporal lobe while films are watched and remembered: one session, 35 units.

Source: Zheng et al. 2022, Nat. Neurosci. 25:358 (DANDI 000207, sub-4).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import FormatError
from ranvier.data.formats import npz
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of
from ranvier.data.sets.spiketrains import SPIKES, Trains, trains

PACK = "human_mtl_sub4.npz"
TASKS = ("encoding", "recognition", "timediscrimination")
SOURCE = Source(
    name="neural_human_mtl",
    title="Human medial temporal lobe units",
    kind="neural recordings",
    licence="CC BY 4.0 (DANDI 000207); GPL-3.0 (the repository of the pack)",
    citation="Zheng et al. 2022, Nat. Neurosci. 25:358",
    split="none",
    splits=(),
    packs=(Pack(PACK, 891_083, "fbbbdd4d8b9ca456b2620eedd321ba80feff13e32ec57e88da7f1cc360cb6c3e"),),
    by_hand=pack_of("PeyracheLab/pynacollada", "fc60ebef75"),
)


class Session(NamedTuple):
    """Spikes, where each unit lies, and the tables of trials."""

    trains: Trains
    regions: tuple[str, ...]  # of each unit
    trials: dict[str, dict[str, NDArray[Any]]]  # task -> column -> (trials,); times in s on the clock of the spikes
    event_codes: NDArray[np.int64]  # (E,)
    event_times: NDArray[np.float64]  # (E,) ms


def load() -> Session:
    """Load the session.

    Pack: ``spike_times`` s, ``offsets``, ``unit_region``, ``TASK_COLUMN`` of three tasks, ``event_code``, ``event_t``.
    Raises: DataError if it is nowhere; FormatError for a broken pack.
    """
    path = find(SOURCE, PACK)
    wanted = {**SPIKES, "unit_region": (arrays.TEXT, 1), "event_code": (arrays.INTEGERS, 1), "event_t": ("f", 1)}
    tables = [name for name in npz.names(path) if name.partition("_")[0] in TASKS and "_" in name]
    pack = arrays.read(path, {**wanted, **dict.fromkeys(tables, (arrays.NUMBERS, 1))})
    arrays.check_lengths(path, pack, "event_code", "event_t")
    made = trains(path, pack)
    if len(pack["unit_region"]) != len(made):
        raise FormatError(f"{path}: unit_region", expected=f"{len(made)} regions", got=str(len(pack["unit_region"])))
    trials: dict[str, dict[str, NDArray[Any]]] = {}
    for task in TASKS:
        columns = {name.removeprefix(f"{task}_"): pack[name] for name in tables if name.startswith(f"{task}_")}
        if columns:
            arrays.check_lengths(f"{path}: {task}", columns, *columns)
        trials[task] = columns
    codes, times = pack["event_code"].astype(np.int64), 1e3 * pack["event_t"].astype(np.float64)
    return Session(made, arrays.words(pack["unit_region"]), trials, codes, times)
