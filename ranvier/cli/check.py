"""``ranvier check``: measures a system's claim and its control, and says whether the claim holds."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier import systems
from ranvier.cli.files import write_json
from ranvier.cli.screen import Screen, table

if TYPE_CHECKING:
    from ranvier.core.claim import Claim, Measured, Outcome

EXIT_FAILS = 1
_STYLES = {"holds": "bold green", "open": "bold yellow", "fails": "bold red"}


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A system, see `ranvier list --systems`.")],
    fast: Annotated[bool, typer.Option("--fast", help="Only the first seed.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the JSON goes; default runs/checks/NAME.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Check the claim of a system against its control, which must fail. Exit code 1 if the claim fails."""
    from ranvier.core.claim import judge

    system = systems.load(name)
    claim, screen = system.claim, Screen.open(as_json=as_json)
    seeds = claim.seeds[:1] if fast else claim.seeds
    path = out or Path("runs", "checks", f"{name}.json")
    started = time.monotonic()
    outcome = _measure(claim, seeds, screen, name)
    verdict = judge(claim, outcome)
    result = {
        "system": name,
        "sentence": claim.sentence,
        "verdict": verdict,
        "seeds": list(seeds),
        "published": dict(claim.published),
        "measured": [dict(figures) for figures in outcome.measured],
        "control": [dict(figures) for figures in outcome.control],
        "note": claim.note,
        "minutes": round((time.monotonic() - started) / 60, 2),
        "environment": _environment(),
    }
    write_json(path, result)
    screen.say(claim.sentence)
    _show(claim, outcome, screen)
    screen.say(f"verdict: {verdict}" + (" (first seed only)" if fast else ""), style=_STYLES[verdict])
    if claim.note:
        screen.say(claim.note)
    screen.say(f"written to {path}", style="dim")
    screen.give(result)
    if verdict == "fails":
        raise typer.Exit(EXIT_FAILS)


def _measure(claim: "Claim", seeds: Sequence[int], screen: Screen, name: str) -> "Outcome":
    from ranvier.core.claim import Outcome

    tasks = [(kind, config, seed) for seed in seeds for kind, config in _sides(claim)]
    measured: dict[str, list[Measured]] = {"claim": [], "control": []}
    with screen.watch(f"check {name}") as watch:
        for index, (kind, config, seed) in enumerate(tasks):

            def progress(fraction: float, words: str, index: int = index, what: str = f"{kind}, seed {seed}") -> None:
                watch((index + fraction) / len(tasks), f"{what}: {words}")

            measured[kind].append(claim.measure(config, seed, progress))
        watch(1.0, "done")
    return Outcome(measured=tuple(measured["claim"]), control=tuple(measured["control"]))


def _sides(claim: "Claim") -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("claim", claim.config), ("control", claim.control)


def _show(claim: "Claim", outcome: "Outcome", screen: Screen) -> None:
    shown = table("figure", "published", "measured", "control")
    figures = list(outcome.measured[0])
    for figure in figures:
        measured, control = (_spread(figure, side) for side in (outcome.measured, outcome.control))
        shown.add_row(figure, claim.published.get(figure, ""), measured, control)
    for figure, value in claim.published.items():
        if figure not in figures:
            shown.add_row(figure, value, "", "")
    screen.show(shown)


def _spread(figure: str, seeds: "Sequence[Measured]") -> str:
    """Write the mean over seeds, and between which values it lies."""
    values = [figures[figure] for figures in seeds if figure in figures]
    if not values:
        return ""
    mean = f"{sum(values) / len(values):.4g}"
    return mean if len(values) == 1 else f"{mean}  [{min(values):.4g} .. {max(values):.4g}]"


def _environment() -> Mapping[str, Any]:
    from ranvier.runs.environment import describe

    return describe()
