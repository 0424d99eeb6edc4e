"""The nouns: neuron, surrogate, reset, rule, chip, system, claim; a step as a program; errors, units and seeds.

Names load when they are first used: errors and the catalogue need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranvier.core.chip import Chip, Cost, NumberFormat
    from ranvier.core.claim import Claim, Outcome, judge
    from ranvier.core.errors import RanvierError
    from ranvier.core.neuron import Neuron
    from ranvier.core.reset import NoReset, Reset, Subtract, ToValue
    from ranvier.core.rule import Evaluation, Loss, Rule
    from ranvier.core.surrogate import Soft, Surrogate, spike
    from ranvier.core.system import Paper, System

__all__ = [
    "Chip", "Claim", "Cost", "Evaluation", "Loss", "Neuron", "NoReset", "NumberFormat", "Outcome", "Paper",
    "RanvierError", "Reset", "Rule", "Soft", "Subtract", "Surrogate", "System", "ToValue", "judge", "spike",
]  # fmt: skip

_HOMES = {
    "chip": ("Chip", "Cost", "NumberFormat"),
    "claim": ("Claim", "Outcome", "judge"),
    "errors": ("RanvierError",),
    "neuron": ("Neuron",),
    "reset": ("NoReset", "Reset", "Subtract", "ToValue"),
    "rule": ("Evaluation", "Loss", "Rule"),
    "surrogate": ("Soft", "Surrogate", "spike"),
    "system": ("Paper", "System"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"ranvier.core.{home}"), name)
    raise AttributeError(f"module 'ranvier.core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
