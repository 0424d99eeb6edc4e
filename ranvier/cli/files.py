"""Files that a command writes where it was told to."""

import json
from pathlib import Path
from typing import Any

from ranvier.core.errors import RunError


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, making folders as needed. Raises: RunError if the place cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(str(path), expected="a writable file", got=error.strerror or str(error)) from error
