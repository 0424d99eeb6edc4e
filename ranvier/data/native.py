"""The extension with passes over event columns (``csrc/passes/module.cpp``), if it was built."""

from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def native() -> ModuleType | None:
    """Import the extension, late; None where it was not built."""
    try:
        return import_module("ranvier.data._passes")
    except ImportError:
        return None
