"""What the constructors ``like_...`` and ``equivalents`` of several neurons share: the peers' conventions.

SpikingJelly 2.0: fires at v >= v_threshold; the leak aims at v_reset (at 0 when the reset is soft), and a run starts
there, ours at rest; time in steps.
snnTorch 1.0: fires at mem > threshold; no resting potential; resets at the next step by default, never differentiated.
Norse 1.1: fires at v > v_th; forward Euler; inverse time constants in 1/s and dt in s, 0.001 by default.

The constructors take the peer's default surrogate; ``LIF.like_norse().replace(surrogate=ATan())`` takes another.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.reset import NoReset, Reset, Subtract, ToValue

Mechanism = Literal["subtract", "zero", "none"]


def call(name: str, **options: Any) -> str:
    """Write a constructor call of another library."""
    words = (f"{key}={value:g}" if isinstance(value, float) else f"{key}={value!r}" for key, value in options.items())
    return f"{name}({', '.join(words)})"


def reset_of_spikingjelly(v_reset: float | None, *, detach: bool) -> Reset:
    """Make the reset that SpikingJelly's ``v_reset`` and ``detach_reset`` stand for."""
    return Subtract(detach=detach) if v_reset is None else ToValue(v_reset=v_reset, detach=detach)


def reset_of_snntorch(mechanism: Mechanism) -> Reset:
    """Make the reset that snnTorch's ``reset_mechanism`` stands for."""
    made: Mapping[str, Reset] = {"subtract": Subtract(detach=True), "zero": ToValue(detach=True), "none": NoReset()}
    return made[mechanism]


def require_factor(where: str, value: float | Tensor, *, mend: str) -> None:
    """Raise a ConfigError unless a decay factor lies between 0 and 1."""
    tensor = torch.as_tensor(value)
    if not bool(((tensor > 0) & (tensor < 1)).all()):
        raise ConfigError(where, expected="a decay factor between 0 and 1", got=f"{value}", mend=mend)


def hard_value(reset: Reset) -> float | Tensor | None:
    """Return the potential that a hard reset sets, None for the other resets."""
    return reset.v_reset if isinstance(reset, ToValue) else None


def mechanism_of(reset: Reset) -> Mechanism:
    """Name a reset (to 0, if it is hard) as snnTorch does."""
    return "subtract" if isinstance(reset, Subtract) else "zero" if isinstance(reset, ToValue) else "none"


def equality(strict: bool, *, peer: bool) -> str:
    """Say that a peer differs where v equals its threshold, if it does."""
    return "" if strict == peer else f" (which fires at v {'>' if peer else '>='} v_th)"
