"""The metrics of a run: one JSON object a line, appended as they come, cut back when a run resumes."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ranvier.core.errors import ConfigError, FormatError, RunError
from ranvier.runs.files import disk, render

Figure = float | int | bool | str | None | Mapping[str, "Figure"]


class Metrics:
    """The file ``metrics.jsonl``. A line is whole once its newline is there; a torn last line counts as not written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, Figure]) -> None:
        """Append one line. A figure that is not finite is written as null, since JSON knows neither NaN nor infinity.

        Raises: RunError if the disk refuses; ConfigError for a figure that is neither number nor text.
        """
        line = render(_finite(row, "metrics"), indent=None)
        with disk(str(self.path)):
            # One write with O_APPEND: a kill leaves the line whole or torn, never mixed with another.
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                written = os.write(handle, line)
            finally:
                os.close(handle)
            if written < len(line):
                raise OSError(None, f"only {written} of {len(line)} bytes were taken")

    def rows(self) -> list[dict[str, Any]]:
        """Read all whole lines.

        Raises: FormatError that names the line if one is no JSON object.
        """
        content = self._content()
        rows: list[dict[str, Any]] = []
        for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise self._broken(number, str(error)) from error
            if not isinstance(row, dict):
                raise self._broken(number, type(row).__name__)
            rows.append(row)
        return rows

    def size(self) -> int:
        """Bring the file to disk and return the bytes of its whole lines."""
        if not self.path.exists():
            return 0
        with disk(str(self.path)), self.path.open("rb") as file:
            os.fsync(file.fileno())
        return self._content().rfind(b"\n") + 1

    def cut(self, size: int) -> None:
        """Cut the file back to its first ``size`` bytes.

        Raises: RunError if it has fewer: lines that were on disk are gone.
        """
        got = len(self._content())
        if got < size:
            raise RunError(
                str(self.path),
                expected=f"at least the {size} bytes it had when the checkpoint was taken",
                got=f"{got} bytes",
                mend="Restore it from a copy, or delete the newer checkpoints.",
            )
        if got > size:
            with disk(str(self.path)), self.path.open("r+b") as file:
                file.truncate(size)  # one change of the file's length: before or after, never between
                os.fsync(file.fileno())

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def _broken(self, number: int, got: str) -> FormatError:
        return FormatError(
            f"{self.path}: line {number}",
            expected="a JSON object",
            got=got,
            mend="Delete the line if it is not needed.",
        )


def _finite(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ConfigError(where, expected="a number or text", got=type(value).__name__)
