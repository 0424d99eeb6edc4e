"""Published systems, one file each: model, recipe, claim. The catalogue loads a system when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from ranvier.core.errors import UnknownNameError

if TYPE_CHECKING:
    from ranvier.core.system import System

__all__ = ["load", "module", "names"]

# One line a system: the name typed at the shell, and the module that holds its ``SYSTEM``.
_MODULES = {
    "max-former": "ranvier.systems.vision.max_former",
    "dcls-delays": "ranvier.systems.events.dcls_delays",
    "l2mu": "ranvier.systems.signals.l2mu",
    "elm-neuron": "ranvier.systems.signals.elm.system",
    "hlop": "ranvier.systems.training.hlop",
    "hd-snn": "ranvier.systems.events.hd_snn",
    "meta-neuron-lzc": "ranvier.systems.signals.meta_neuron_lzc",
    "sltt": "ranvier.systems.training.sltt",
    "spikformer": "ranvier.systems.vision.spikformer",
    "spikformer-v2": "ranvier.systems.vision.spikformer_v2",
    "meta-spikeformer": "ranvier.systems.vision.meta_spikeformer.system",
    "stbp": "ranvier.systems.training.stbp",
    "vprsnn": "ranvier.systems.vision.vprsnn",
}


def names() -> tuple[str, ...]:
    """Return the names of all systems, in alphabetical order, without importing any."""
    return tuple(sorted(_MODULES))


def load(name: str) -> "System":
    """Import a system.

    Raises: UnknownNameError, with near names, if there is none of this name.
    """
    system: System = import_module(module(name)).SYSTEM
    return system


def module(name: str) -> str:
    """Return the name of the module whose ``SYSTEM`` it is.

    Raises: UnknownNameError, with near names, if there is none of this name.
    """
    if name not in _MODULES:
        raise UnknownNameError.among("ranvier.systems", name, _MODULES, kind="system")
    return _MODULES[name]
