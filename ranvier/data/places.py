"""Where data lies on this machine: the folder RANVIER_DATA first, then the cache folder of downloads."""

import os
from pathlib import Path

from ranvier.core.errors import DataError

VARIABLE = "RANVIER_DATA"


def cache_folder() -> Path:
    """Give the folder for downloads: XDG_CACHE_HOME/ranvier, by default ~/.cache/ranvier."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ranvier"


def folders() -> list[Path]:
    """List the folders to look in, first one first.

    Raises: DataError if RANVIER_DATA names something that is no folder.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return [cache_folder()]
    if not Path(named).is_dir():
        raise DataError(VARIABLE, expected="a folder", got=repr(named), mend=f"Make it, or unset {VARIABLE}.")
    return [Path(named), cache_folder()]


def find(name: str, *choices: str) -> Path | None:
    """Find the first of ``choices`` (relative paths) in the folder ``name`` of each place; None if there is none."""
    for folder in folders():
        for choice in choices:
            if (path := folder / name / choice).exists():
                return path
    return None
