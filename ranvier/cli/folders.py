"""``ranvier report`` and ``ranvier compare``: what finished runs have to show."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli.screen import Screen, table


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Write report.html of a run anew."""
    from ranvier import report as room
    from ranvier.runs import Run

    Run.open(folder)
    page = room.write(folder)
    screen = Screen.open(as_json=as_json)
    screen.say(f"report: {page}")
    screen.give({"report": str(page)})


def compare(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare runs by figures and options.

    Shown are the figures each ended with, and the options in which they differ.
    """
    from ranvier import report as room
    from ranvier.runs import Run

    runs = {str(folder): Run.open(folder) for folder in run_folders}
    options = {folder: flat(run.config) for folder, run in runs.items()}
    screen = Screen.open(as_json=as_json)
    screen.show(room.compare(list(runs)))
    shown = table("option", *(Path(folder).resolve().name for folder in runs))
    for path in _keys(options.values()):
        values = [str(tree.get(path, "")) for tree in options.values()]
        if len(set(values)) > 1:
            shown.add_row(path, *values)
    if shown.row_count:
        screen.say()
        screen.show(shown)
    screen.give(
        {
            folder: {
                "name": run.name,
                "finished": run.finished,
                "config": run.config,
                "figures": _last(run.metrics()),
                "headlines": _headlines(run.folder) if run.finished else {},
            }
            for folder, run in runs.items()
        }
    )


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Write a tree of options as paths: ``{"train.epochs": 3}``."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _keys(trees: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for tree in trees for key in tree))


def _last(rows: list[dict[str, Any]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for row in rows:
        figures |= {name: value for name, value in row.items() if isinstance(value, int | float) and name != "time"}
    return figures


def _headlines(folder: Path) -> dict[str, Any]:
    from ranvier.report.schema import FILE_NAME, Results

    lines = Results.read(folder / FILE_NAME).headlines
    return {line.label: {"value": line.value, "unit": line.unit} for line in lines}
