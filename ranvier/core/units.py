"""Units at the edge: "10 ms" becomes a number of the house's unit (ms, mV, Hz, pA, nS, pF, pJ) once, and stays one.

Inside the house times are in ms, potentials in mV (or stated dimensionless), rates in Hz, energy in pJ.
A neuron's fields carry their unit in their annotation: ``tau_m: Ms = 20.0``.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from ranvier.core.errors import UnitError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number, as an annotation: ``Annotated[float, Unit("ms")]``."""

    symbol: str


Param = Annotated[float | Tensor, Unit("1")]  # dimensionless
Ms = Annotated[float | Tensor, Unit("ms")]
Mv = Annotated[float | Tensor, Unit("mV")]
Hz = Annotated[float | Tensor, Unit("Hz")]
Pa = Annotated[float | Tensor, Unit("pA")]
Ns = Annotated[float | Tensor, Unit("nS")]
Pf = Annotated[float | Tensor, Unit("pF")]

# symbol -> (dimension, how many of the house's unit of that dimension it is)
_SCALES = {
    "s": ("time", 1e3), "ms": ("time", 1.0), "us": ("time", 1e-3), "µs": ("time", 1e-3), "ns": ("time", 1e-6),
    "V": ("potential", 1e3), "mV": ("potential", 1.0), "uV": ("potential", 1e-3), "µV": ("potential", 1e-3),
    "Hz": ("rate", 1.0), "kHz": ("rate", 1e3), "MHz": ("rate", 1e6),
    "A": ("current", 1e12), "uA": ("current", 1e6), "µA": ("current", 1e6), "nA": ("current", 1e3),
    "pA": ("current", 1.0),
    "uS": ("conductance", 1e3), "µS": ("conductance", 1e3), "nS": ("conductance", 1.0), "pS": ("conductance", 1e-3),
    "nF": ("capacitance", 1e3), "pF": ("capacitance", 1.0),
    "J": ("energy", 1e12), "mJ": ("energy", 1e9), "uJ": ("energy", 1e6), "µJ": ("energy", 1e6), "nJ": ("energy", 1e3),
    "pJ": ("energy", 1.0), "fJ": ("energy", 1e-3),
    "1": ("number", 1.0),
}  # fmt: skip
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zµ]*)\s*")


def parse(quantity: str | float, unit: str, *, where: str = "quantity") -> float:
    """Read a quantity such as ``"10 ms"`` as a number of ``unit``; a plain number is taken to be in ``unit`` already.

    Args: quantity: number with a unit, or a number. unit: the unit wanted, such as "ms". where: named in errors.
    Returns: the number of ``unit``.
    Raises: UnitError if it is no quantity or one of another dimension; UnknownNameError for an unknown unit.
    """
    if not isinstance(quantity, str):
        return float(quantity)
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise UnitError(where, expected=f'a number with a unit, such as "10 {unit}"', got=repr(quantity))
    number, symbol = float(match[1]), match[2] or unit
    if symbol not in _SCALES:
        raise UnknownNameError.among(where, symbol, _SCALES, kind="unit")
    dimension, scale = _SCALES[symbol]
    wanted, wanted_scale = _SCALES[unit]
    if dimension != wanted:
        raise UnitError(where, expected=f"a {wanted} in {unit}", got=f"{quantity!r}, a {dimension}")
    return number * (scale / wanted_scale)


def to_steps(duration: str | float, *, dt: float, where: str = "duration") -> int:
    """Turn a duration into a whole number of time steps.

    An ``int`` is a number of steps already; ``"10 ms"`` or a float is a time, divided by ``dt`` (ms) and rounded.

    Returns: the number of steps, >= 0.
    Raises: UnitError if the duration is negative, or positive but shorter than half a step.
    """
    if isinstance(duration, int):
        steps, time = duration, float(duration)
    else:
        time = parse(duration, "ms", where=where)
        steps = round(time / dt)
    if steps < 0 or (steps == 0 and time > 0):
        raise UnitError(where, expected=f"a duration of no or at least one step of {dt} ms", got=repr(duration))
    return steps
