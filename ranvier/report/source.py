"""Reading a run folder for a report: whatever is there, bounded, and what is missing said in words."""

import json
import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ranvier.core.errors import FormatError, RunError
from ranvier.report.schema import FILE_NAME, Results

MAX_JSON_BYTES = 4 << 20
MAX_METRICS_BYTES = 256 << 20
MAX_SERIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric over the run: ``x`` is the optimiser step (or the epoch, where the file knows no steps)."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a run folder holds, as far as a report shows it.

    Args: faults: files that are there but cannot be read, in words.
    """

    folder: Path
    name: str = ""
    command: str = ""
    config: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    epoch_starts: tuple[float, ...] = ()
    results: Results | None = None
    faults: tuple[str, ...] = ()


def read(folder: Path) -> Source:
    """Read a run folder, finished or not.

    Raises: RunError if it is no folder. A file in it that cannot be read is a fault of the source, not an error.
    """
    if not folder.is_dir():
        raise RunError(str(folder), expected="a run folder", got="a file" if folder.exists() else "nothing there")
    faults: list[str] = []
    results = None
    try:
        results = Results.read(folder / FILE_NAME)
    except FileNotFoundError:
        pass
    except (FormatError, OSError) as error:
        faults.append(str(error))
    series, starts = _metrics(folder / "metrics.jsonl", faults)
    config = _object(folder / "config.json", faults)
    environment = _object(folder / "environment.json", faults)
    command = environment.pop("command", "")
    inner = config.get("config")
    return Source(
        folder=folder,
        name=str(config.get("name", ""))[:200],
        command=shlex.join(map(str, command)) if isinstance(command, list) else str(command),
        config=_flat(inner if isinstance(inner, dict) else config),
        environment=_flat(environment),
        series=series,
        epoch_starts=starts,
        results=results,
        faults=tuple(faults),
    )


def _object(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"larger than {MAX_JSON_BYTES >> 20} MiB")
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {type(value).__name__}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        faults.append(f"{path.name}: {error}")
        return {}
    return value


def _flat(value: dict[str, Any], *, limit: int = 200) -> dict[str, str]:
    """Flatten nested objects to dotted names and short words."""
    found: dict[str, str] = {}
    todo: list[tuple[str, Any]] = [(str(k), v) for k, v in reversed(value.items())]
    while todo and len(found) < limit:
        name, item = todo.pop()
        if isinstance(item, dict) and item:
            todo += [(f"{name}.{k}", v) for k, v in reversed(item.items())]
        else:
            words = item if isinstance(item, str) else json.dumps(item)
            found[name[:200]] = words if len(words) <= 500 else words[:500] + " ..."
    return found


def _rows(path: Path, faults: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a metrics file; the torn last line of a killed run is passed over."""
    try:
        if path.stat().st_size > MAX_METRICS_BYTES:
            raise ValueError(f"larger than {MAX_METRICS_BYTES >> 20} MiB")
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        faults.append(f"{path.name}: {error}")
        return
    broken = 0
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            broken += number < len(lines) - 1
            continue
        if isinstance(row, dict):
            yield row
    if broken:
        faults.append(f"{path.name}: {broken} broken {'line' if broken == 1 else 'lines'} passed over")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _leaves(row: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < 4:
            yield from _leaves(value, f"{name}.", depth + 1)
        elif (number := _number(value)) is not None:
            yield name, number


_POSITION = frozenset({"step", "epoch", "time"})
_GROUP = ("split", "phase", "kind")  # where a row says in words what it is about


def _metrics(path: Path, faults: list[str]) -> tuple[tuple[Series, ...], tuple[float, ...]]:
    """Gather the series of a metrics file. A step that was written again after a resume counts once, the later one."""
    series: dict[str, dict[float, float]] = {}
    starts: dict[float, float] = {}
    last = 0.0
    for row in _rows(path, faults):
        step, epoch = _number(row.get("step")), _number(row.get("epoch"))
        x = step if step is not None else (last or epoch or 0.0)
        last = step if step is not None else last
        if epoch is not None:
            starts.setdefault(epoch, x)
        group = next((f"{row[key]}." for key in _GROUP if isinstance(row.get(key), str)), "")
        for name, value in _leaves(row):
            if name in _POSITION or (len(series) >= MAX_SERIES and group + name not in series):
                continue
            series.setdefault((group + name)[:100], {})[x] = value
    found = tuple(
        Series(name=name, x=tuple(sorted(points)), y=tuple(points[x] for x in sorted(points)))
        for name, points in series.items()
    )
    return found, tuple(starts.values())
