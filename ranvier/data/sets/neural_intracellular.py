"""Two neurons in whole-cell current clamp: injected current and membrane potential, to fit neuron models.

Source: Ferguson et al. 2015 (CA1 pyramidal cell); Lantyer et al. 2018, GigaScience 7 (cell of the barrel cortex).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, FormatError
from ranvier.data.sets import arrays
from ranvier.data.sets.source import Pack, Source, find, pack_of

PACKS = {"ca1_pyramidal": "ca1_pyramidal_2.npz", "s1": "s1_current_clamp.npz"}
Cell = Literal["ca1_pyramidal", "s1"]
SOURCE = Source(
    name="neural_intracellular",
    title="Whole-cell current clamp",
    kind="neural recordings",
    licence="CC BY 4.0 (CA1), CC0 (S1), as the originals say",
    citation="Ferguson et al. 2015, zenodo 17794; Lantyer et al. 2018, GigaScience (10.5524/100535)",
    split="none",
    splits=(),
    packs=(
        Pack("ca1_pyramidal_2.npz", 435_749, "c68660ee4356048beb093931dcc61a41424737264bb0356066c0fa1acbf0a708"),
        Pack("s1_current_clamp.npz", 295_974, "53b8e889354a4597d5a3bd61fd3a86962e969da6387797be44eb655864cfe124"),
    ),
    by_hand=pack_of("OpenSourceBrain/NWBShowcase", "be2920012f"),
)


class Sweeps(NamedTuple):
    """Repetitions of an experiment with other currents. Letters: S sweeps, T time."""

    v_ST: NDArray[np.float32]  # mV, membrane potential
    current_ST: NDArray[np.float32]  # pA, injected
    dt: float  # ms


def load(cell: Cell = "ca1_pyramidal") -> Sweeps:
    """Load a cell: 13 sweeps of 2 s at 10 kHz (CA1 pyramidal) or 10 of 1.16 s at 20 kHz (S1).

    Packs: ``v`` (S, T) V, ``i`` (S, T) A, ``rate`` Hz.
    Raises: ConfigError for an unknown cell; DataError if it is nowhere; FormatError for a broken pack.
    """
    if cell not in PACKS:
        raise ConfigError("neural_intracellular", expected=f"a cell: {', '.join(PACKS)}", got=repr(cell))
    path = find(SOURCE, PACKS[cell])
    pack = arrays.read(path, {"v": ("f", 2), "i": ("f", 2), "rate": (arrays.NUMBERS, 0)})
    rate = float(pack["rate"])
    if pack["v"].shape != pack["i"].shape or not rate > 0:
        got = f"{pack['v'].shape}, {pack['i'].shape}, {rate} Hz"
        raise FormatError(str(path), expected="as many potentials as currents and a rate > 0", got=got)
    return Sweeps(1e3 * pack["v"].astype(np.float32), (1e12 * pack["i"]).astype(np.float32), 1e3 / rate)
