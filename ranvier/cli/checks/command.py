"""``ranvier check``: measures claims and their controls, and says which hold."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier import systems
from ranvier.cli.checks.crew import measure
from ranvier.cli.checks.task import Kept, Measurement, Scale, Task, seeds, sized, tasks
from ranvier.cli.files import write_json
from ranvier.cli.screen import Screen, table
from ranvier.core.errors import ConfigError, DataError, RanvierError

if TYPE_CHECKING:
    from ranvier.core.claim import Claim, Measured

EXIT_FAILS = 1
_HOME = Path("runs", "checks")
_KEPT = _HOME / "parts"
_STYLES = {"holds": "bold green", "open": "bold yellow", "fails": "bold red", "error": "bold red", "absent": "yellow"}


def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Systems, see `ranvier list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All systems.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="In small, on the first seed only.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Whole, on every seed; what is done without --fast.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes of one thread each; default one a core.", min=0)] = 0,
    again: Annotated[bool, typer.Option("--again", help="Measure anew what was measured already.")] = False,
    out: Annotated[Path, typer.Option(help="The folder for NAME.json.")] = _HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Check claims against controls, which must fail. Exit code 1 if one fails.

    Each measurement is kept as soon as it is made: a check that was stopped goes on where it stood.
    """
    chosen = _choose(names or [], every=every)
    if fast and full:
        raise ConfigError("ranvier check", expected="--fast or --full", got="both")
    scale: Scale = "fast" if fast else "full"
    screen = Screen.open(as_json=as_json)
    claims = {name: sized(systems.load(name).claim, scale) for name in chosen}
    made = _measure(claims, scale, screen, jobs=jobs or _cores(), again=again)
    found = [_judge(name, claims[name], scale, made[name]) for name in chosen]
    if not every and len(found) == 1:
        _raise_absent(found[0])
    for finding in found:
        if not finding.words:
            write_json(out / f"{finding.name}.json", finding.plain)
    if every or len(found) > 1:
        _summary(found, screen)
    else:
        _show(found[0], screen)
    screen.say(f"written to {out}", style="dim")
    screen.give([finding.plain for finding in found] if every or len(found) > 1 else found[0].plain)
    if any(finding.verdict in ("fails", "error") for finding in found):
        raise typer.Exit(EXIT_FAILS)


def _choose(names: Sequence[str], *, every: bool) -> tuple[str, ...]:
    if every == bool(names):
        got = "--all and names" if every else "neither"
        raise ConfigError("ranvier check", expected="names of systems, or --all", got=got)
    return systems.names() if every else tuple(dict.fromkeys(names))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Made = Mapping[str, Mapping[Task, Measurement]]


def _measure(claims: "Mapping[str, Claim]", scale: Scale, screen: Screen, *, jobs: int, again: bool) -> Made:
    """Measure what is not kept; every measurement is kept as it comes."""
    kept = Kept(_KEPT)
    made: dict[str, dict[Task, Measurement]] = defaultdict(dict)
    todo: list[Task] = []
    # The longest first, so that no core is left alone with it at the end.
    for name in sorted(claims, key=lambda name: -claims[name].minutes):
        for task in tasks(name, systems.module(name), claims[name], scale):
            found = kept.get(task, _config(claims[name], task)) if not again else None
            if found:
                made[name][task] = found
            else:
                todo.append(task)
    total = len(todo)
    fractions: dict[Task, float] = {}
    with screen.watch("check " + (next(iter(claims)) if len(claims) == 1 else f"{len(claims)} systems")) as watch:

        def progress(task: Task, fraction: float, words: str) -> None:
            fractions[task] = fraction
            watch(sum(fractions.values()) / total, f"{task}: {words}")

        for task, measurement in measure(todo, jobs=jobs, progress=progress) if todo else ():
            made[task.system][task] = measurement
            if measurement.figures:
                kept.put(task, _config(claims[task.system], task), measurement)
            progress(task, 1.0, "done")
        watch(1.0, "done")
    return made


def _config(claim: "Claim", task: Task) -> Any:
    return claim.config if task.side == "claim" else claim.control


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of one claim.

    Args: verdict: as of a claim, or "absent" (data or a package is missing) or "error". measured, control: figures of
        each seed. words: why there is no verdict. plain: all of it as JSON values.
    """

    name: str
    claim: "Claim"
    scale: Scale
    verdict: str
    measured: "tuple[Measured, ...]"
    control: "tuple[Measured, ...]"
    words: str
    plain: Mapping[str, Any]


def _judge(name: str, claim: "Claim", scale: Scale, made: Mapping[Task, Measurement]) -> Finding:
    from ranvier.core.claim import Outcome, judge
    from ranvier.runs.environment import describe

    in_order = sorted(made, key=lambda task: claim.seeds.index(task.seed))
    sides = {
        side: tuple(made[task].figures for task in in_order if task.side == side and made[task].figures)
        for side in ("claim", "control")
    }
    error = next((f"{task}: {made[task].error}" for task in in_order if made[task].error), "")
    absent = next((made[task].absent for task in in_order if made[task].absent), "")
    if error or absent:
        verdict = "error" if error else "absent"
    else:
        verdict = judge(claim, Outcome(measured=sides["claim"], control=sides["control"]))
    plain = {
        "system": name,
        "sentence": claim.sentence,
        "verdict": verdict,
        "scale": scale,
        "seeds": list(seeds(claim, scale)),
        "published": dict(claim.published),
        "measured": [dict(figures) for figures in sides["claim"]],
        "control": [dict(figures) for figures in sides["control"]],
        "note": error or absent or claim.note,
        "minutes": round(sum(measurement.seconds for measurement in made.values()) / 60, 2),
        "environment": describe() | {"num_threads": 1},
    }
    return Finding(
        name=name,
        claim=claim,
        scale=scale,
        verdict=verdict,
        measured=sides["claim"],
        control=sides["control"],
        words=error or absent,
        plain=plain,
    )


def _raise_absent(finding: Finding) -> None:
    if finding.verdict == "absent":
        raise DataError(f"check {finding.name}", expected="what it is measured on", got=f"this: {finding.words}")
    if finding.verdict == "error":
        raise RanvierError(f"check {finding.name}", expected="a measurement", got=f"this: {finding.words}")


def _show(finding: Finding, screen: Screen) -> None:
    screen.say(finding.claim.sentence)
    shown = table("figure", "published", "measured", "control")
    published = finding.claim.published
    figures = list(finding.measured[0])
    for figure in figures:
        measured, control = (spread(figure, side) for side in (finding.measured, finding.control))
        shown.add_row(figure, published.get(figure, ""), measured, control)
    for figure, value in published.items():
        if figure not in figures:
            shown.add_row(figure, value, "", "")
    screen.show(shown)
    small = " (in small, first seed only)" if finding.scale == "fast" else ""
    screen.say(f"verdict: {finding.verdict}{small}", style=_STYLES[finding.verdict])
    if finding.claim.note:
        screen.say(finding.claim.note)


def _summary(found: Sequence[Finding], screen: Screen) -> None:
    shown = table("system", "verdict", "figure", "measured", "control", "minutes")
    for finding in found:
        figure = next(iter(finding.measured[0])) if finding.measured else ""
        measured, control = (spread(figure, side) for side in (finding.measured, finding.control))
        shown.add_row(finding.name, finding.verdict, figure, measured, control, str(finding.plain["minutes"]))
    screen.show(shown)
    for finding in found:
        if finding.words:
            screen.say(f"{finding.name}: {finding.words}", style=_STYLES[finding.verdict])
    counts = {verdict: sum(f.verdict == verdict for f in found) for verdict in _STYLES}
    screen.say(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))


def spread(figure: str, seeds: "Sequence[Measured]") -> str:
    """Write the mean over seeds, and between which values it lies."""
    values = [figures[figure] for figures in seeds if figure in figures]
    if not values:
        return ""
    mean = f"{sum(values) / len(values):.4g}"
    return mean if len(values) == 1 else f"{mean}  [{min(values):.4g} .. {max(values):.4g}]"
