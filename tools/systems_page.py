"""Write docs/systems/README.md from the committed results of ``ranvier check`` (docs/results/NAME.json).

Usage: python tools/systems_page.py. A test compares the page with what this would write.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ranvier import systems

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "docs" / "results"
PAGE = PROJECT / "docs" / "systems" / "README.md"
ENERGY = "energy_nj"

HEAD = """# Systems

Every published system, its claim, and the control (the mechanism switched off) that must fail the same check. The table
is written by `python tools/systems_page.py` from the JSON files in `../results/`, which `ranvier check NAME` measured;
each holds the environment and the command that made it. `ranvier show NAME` prints a system's page.

Measured and control: mean over the seeds of the claim's first figure. Spread: least to greatest of the measured ones.
Minutes: of one core, for all seeds of claim and control. Energy: synaptic operations of one sample at 45 nm, without
memory traffic (`ranvier.measure.energy`). Published: as the paper prints it, often at a far larger scale than ours.

Published numbers of parameters, operations and bytes beside ours: [counts.md](counts.md).
"""


def rendered() -> str:
    """Render the page."""
    found = {name: _read(name) for name in systems.names()}
    rows = [_row(name, result) for name, result in found.items()]
    titles = "| system | verdict | figure | published | measured | control | seeds | spread | minutes | energy, nJ |"
    table = [titles, "|---" * 10 + "|", *rows]
    parts = [_part(name, result) for name, result in found.items()]
    return HEAD + "\n" + "\n".join(table) + "\n" + "".join(parts)


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _row(name: str, result: dict[str, Any] | None) -> str:
    if result is None:
        return f"| [{name}](#{name}) | not measured |" + " |" * 8
    figure = next(iter(result["measured"][0]))
    measured = [seed[figure] for seed in result["measured"]]
    control = [seed[figure] for seed in result["control"]]
    energies = [seed[ENERGY] for seed in result["measured"] if ENERGY in seed]
    cells = (
        f"[{name}](#{name})",
        result["verdict"],
        figure,
        result["published"].get(figure, ""),
        f"{_mean(measured):.4g}",
        f"{_mean(control):.4g}",
        str(len(measured)),
        f"{min(measured):.4g} to {max(measured):.4g}",
        f"{result['minutes']:.1f}",
        f"{_mean(energies):.4g}" if energies else "",
    )
    return "| " + " | ".join(cells) + " |"


def _part(name: str, result: dict[str, Any] | None) -> str:
    system = systems.load(name)
    paper = system.paper
    lines = [
        f"\n## {name}\n",
        f"{system.title}. {paper.authors} {paper.year}: {paper.title}. {paper.venue}. {paper.identifier}.\n",
        f"Claim: {system.claim.sentence}\n",
    ]
    if result is None:
        return "\n".join(lines)
    lines += ["| figure | published | measured | control |", "|---|---|---|---|"]
    figures = dict.fromkeys([*result["measured"][0], *result["published"]])
    for figure in figures:
        sides = [[seed[figure] for seed in result[side] if figure in seed] for side in ("measured", "control")]
        lines.append(f"| {figure} | {result['published'].get(figure, '')} | {_seeds(sides[0])} | {_seeds(sides[1])} |")
    when, versions = result["environment"]["started"][:10], result["environment"]["versions"]
    lines.append(f"\nSeeds {result['seeds']}, {when}, torch {versions['torch']}, {result['environment']['cpu']}.")
    if result["note"]:
        lines.append(f"\n{result['note']}")
    own = PAGE.with_name(f"{name}.md")
    if own.is_file():
        lines.append(f"\nMore: [{name}.md]({own.name}).")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _seeds(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(rendered(), encoding="utf-8")
    sys.stdout.write(f"written to {PAGE}\n")
