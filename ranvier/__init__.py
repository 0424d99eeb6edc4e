"""ranvier: spiking neural networks and neuromorphic computing. Write a neuron once, use it everywhere.

The rooms: ``neurons`` (models), ``nn`` (layers), ``kernels`` (how neurons run), ``data``, ``rules`` (learning),
``train``, ``runs``, ``measure``, ``report``, ``systems`` (published systems with their claims), ``cli`` (the door).
They load when they are first used, so that ``ranvier --help`` need not wait for torch.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranvier import core, data, kernels, measure, neurons, nn, report, rules, runs, systems, train
    from ranvier.core import Neuron, NoReset, Subtract, ToValue
    from ranvier.core.maths import cos, exp, expm1, log, sigmoid, sin, sqrt
    from ranvier.core.units import Hz, Ms, Mv, Param
    from ranvier.neurons import ALIF, IF, LIF, PLIF, SynapticLIF
    from ranvier.nn.inference import compile_for_inference

__version__ = "0.1.0"
__all__ = [
    "ALIF", "IF", "LIF", "PLIF", "Hz", "Ms", "Mv", "Neuron", "NoReset", "Param", "Subtract", "SynapticLIF", "ToValue",
    "compile_for_inference", "core", "cos", "data", "exp", "expm1", "kernels", "log", "measure", "neurons", "nn",
    "report", "rules", "runs", "sigmoid", "sin", "sqrt", "systems", "train",
]  # fmt: skip

_ROOMS = ("core", "data", "kernels", "measure", "neurons", "nn", "report", "rules", "runs", "systems", "train")
_HOMES = {
    "ranvier.core": ("Neuron", "NoReset", "Subtract", "ToValue"),
    "ranvier.core.maths": ("cos", "exp", "expm1", "log", "sigmoid", "sin", "sqrt"),
    "ranvier.core.units": ("Hz", "Ms", "Mv", "Param"),
    "ranvier.neurons": ("ALIF", "IF", "LIF", "PLIF", "SynapticLIF"),
    "ranvier.nn.inference": ("compile_for_inference",),
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"ranvier.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    # Python lists near names for an error that knows where they were looked for.
    raise AttributeError(f"module 'ranvier' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
