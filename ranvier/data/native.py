"""The extension with passes over event columns, if it was built."""

from functools import cache
from types import ModuleType


@cache
def native() -> ModuleType | None:
    """Import the extension, late; None where it was not built."""
    try:
        from ranvier.data import _passes
    except ImportError:
        return None
    module: ModuleType = _passes
    return module
