"""Files that are whole or absent: written beside, brought to disk, renamed into place; JSON that any reader takes."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from ranvier.core.errors import ConfigError, RunError


@contextmanager
def disk(what: str) -> Iterator[None]:
    """Turn an OSError of the operating system (disk full, no permission ...) into a RunError that says what failed.

    Args: what: the path at fault.
    """
    try:
        yield
    except RunError:
        raise
    except OSError as error:
        raise RunError(
            what,
            expected="a folder that can be written to",
            got=f"{error.strerror or error} ({type(error).__name__})",
            mend="Free space there or choose another folder; what was complete before is untouched.",
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, even after a crash, finds the old content or the new, never a part.

    Raises: OSError as the system gives it; the partial file is removed.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        write_through(partial, content)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def plain(value: Any, *, where: str = "config") -> Any:
    """Turn a config (dataclasses, mappings, sequences, paths, numbers) into what JSON knows.

    Raises: ConfigError that names the place of a value that JSON does not know, or of a float that is not finite.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(where, expected="a finite number, as JSON knows no other", got=repr(value))
        return value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), where=f"{where}.{f.name}") for f in fields(value)}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ConfigError(where, expected="names (str) as keys", got=repr(key))
        return {key: plain(inner, where=f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, where=f"{where}[{i}]") for i, inner in enumerate(value)]
    raise ConfigError(where, expected="numbers, text, lists and dataclasses of them", got=type(value).__name__)


def render(value: Any, *, indent: int | None = 2) -> bytes:
    """Render plain values as UTF-8 JSON, keys sorted, one way only; NaN and infinity are refused."""
    text = json.dumps(value, indent=indent, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()
