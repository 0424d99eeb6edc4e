"""The index of runs: what lies below a folder, newest first."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranvier.core.errors import RanvierError
from ranvier.runs.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the index.

    Args: step: the last one logged, 0 before the first. figures: the last value of each figure logged.
        started: ISO date, empty if unknown. fault: why the folder cannot be read in full, empty if it can.
    """

    folder: Path
    name: str
    started: str = ""
    step: int = 0
    finished: bool = False
    figures: dict[str, Any]
    fault: str = ""


def list_runs(root: Path) -> list[Entry]:
    """List the runs in and below a folder, the one started last first. A broken run is listed with its fault."""
    entries = [_entry(path.parent) for path in root.rglob("config.json")] if root.is_dir() else []
    return sorted(entries, key=lambda entry: (entry.started, str(entry.folder)), reverse=True)


def _entry(folder: Path) -> Entry:
    try:
        run = Run.open(folder)
        rows = run.metrics()
    except RanvierError as error:
        return Entry(folder=folder, name=folder.name, started=_started(folder), figures={}, fault=str(error))
    figures: dict[str, Any] = {}
    for row in rows:
        figures.update(row)
    step = figures.pop("step", 0)
    figures.pop("time", None)
    return Entry(
        folder=folder, name=run.name, started=_started(folder), step=step, finished=run.finished, figures=figures
    )


def _started(folder: Path) -> str:
    try:
        return str(json.loads((folder / "environment.json").read_bytes())["started"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
