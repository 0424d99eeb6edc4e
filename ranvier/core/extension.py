"""A compiled module of the package: imported when first needed, and if it cannot be, the reason is told."""

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import ModuleType

from ranvier.core.errors import ExecutorError

MEND = "Install a wheel that has it, or build from source with a C++ compiler."


# Torch's threads end in a forked child, which extensions that are loaded only there cannot know by themselves.
_FORKED = threading.Event()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_FORKED.set)


@lru_cache(maxsize=64)
def load(name: str) -> ModuleType | str:
    """Import an extension; return it, or why it cannot be used."""
    try:
        module = import_module(name)
    except ImportError as error:
        return f"the compiled extension {name} cannot be imported ({error})"
    if _FORKED.is_set() and hasattr(module, "forget_team"):
        module.forget_team()
    return module


@dataclass(frozen=True, slots=True)
class Extension:
    """A compiled module, by its full name, and what it is to a user; without it the plain reference runs."""

    name: str
    what: str
    mend: str = MEND

    def absence(self) -> str | None:
        """Say why it cannot be used here; None if it can."""
        found = load(self.name)
        return found if isinstance(found, str) else None

    def module(self, where: str) -> ModuleType:
        """Give the module.

        Raises: ExecutorError, of the call ``where``, if it is absent.
        """
        found = load(self.name)
        if isinstance(found, str):
            raise ExecutorError(where, expected=self.what, got=found, mend=self.mend)
        return found
