"""``ranvier run`` and ``ranvier resume``: training a system in a run folder, and going on where it stopped."""

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier import systems
from ranvier.cli.screen import Screen
from ranvier.core.errors import ConfigError, RanvierError
from ranvier.systems.config import from_plain, override, read, to_plain

if TYPE_CHECKING:
    from ranvier.core.system import System
    from ranvier.runs import Run

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON only.")]


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A system, see `ranvier list --systems`.")],
    config: Annotated[Path | None, typer.Option(help="A YAML file of options, or the config.json of a run.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="An option; may come again.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders are made.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Train a system in a new run folder, and write its report."""
    system = systems.load(name)
    chosen = _configure(system, config, options or [], seed)
    from ranvier.runs import Run

    system.build(chosen)  # refuses what makes no network before anything is written
    made = Run.create(_fresh(runs, name), name=name, config=to_plain(chosen), seed=chosen.seed)
    _train(system, chosen, made, Screen.open(as_json=as_json))


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    as_json: AsJson = False,
) -> None:
    """Go on with a run where its newest complete checkpoint stands.

    It gets as many threads as it began with, so that it ends in the same bits.
    """
    import torch

    from ranvier.runs import Run

    found = Run.open(folder)
    system = systems.load(found.name)
    chosen = from_plain(system.config, found.config, where=str(folder / "config.json"))
    torch.set_num_threads(found.num_threads or torch.get_num_threads())
    _train(system, chosen, found, Screen.open(as_json=as_json))


def _configure(system: "System", config: Path | None, options: list[str], seed: int | None) -> Any:
    base = system.config if config is None else read(config, system.config, system=system.name)
    if seed is not None:
        if any(option.partition("=")[0].strip() == "seed" for option in options):
            raise ConfigError("--seed", expected="one seed", got="--set seed=... too", mend="Drop one of them.")
        options = [*options, f"seed={seed}"]
    return override(base, options)


def _fresh(runs: Path, name: str) -> Path:
    """Name a run folder by system and time; of several in one second each gets a number."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    tries = (runs / (stem if number == 1 else f"{stem}-{number}") for number in range(1, 1000))
    return next(folder for folder in tries if not folder.exists())


def _train(system: "System", config: Any, run: "Run", screen: Screen) -> None:
    from ranvier import report

    screen.say(f"{system.name}: {system.title}", style="bold")
    screen.say(f"run folder: {run.folder}")
    try:
        with screen.watch(system.name) as watch:
            interruption = system.train(config, run.folder, watch)
    except RanvierError:
        if any(run.checkpoints.folder.glob("step-*")):
            screen.say(f"Checkpoints are kept. Once mended, go on with: ranvier resume {run.folder}", style="yellow")
        raise
    if interruption:
        screen.say(
            f"{interruption}: stopped after a checkpoint. Go on with: ranvier resume {run.folder}", style="yellow"
        )
        screen.give({"run": str(run.folder), "finished": False, "interrupted_by": interruption})
        raise typer.Exit(128 + signal.Signals[interruption].value)
    page = report.write(run.folder)
    results = report.Results.read(run.folder / "results.json")
    screen.show(report.summary(results))
    screen.say(f"report: {page}", style="bold")
    headlines = {line.label: {"value": line.value, "unit": line.unit} for line in results.headlines}
    screen.give({"run": str(run.folder), "finished": True, "report": str(page), "headlines": headlines})
