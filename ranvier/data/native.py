"""The extension with passes over event columns (``csrc/passes/module.cpp``), if it was built."""

from types import ModuleType

from ranvier.core.extension import Extension, load

EXTENSION = Extension("ranvier.data._passes", "the compiled passes over events")


def native() -> ModuleType | None:
    """Import the extension, late; None where it was not built."""
    found = load(EXTENSION.name)
    return None if isinstance(found, str) else found
