"""The table of the cross-checks: crosscheck/results.json, whose rows each script replaces with its own.

``python crosscheck/table.py`` prints it as the Markdown that README.md shows between its crosscheck marks.
"""

import datetime
import json
import math
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).with_name("results.json")
AGREE = ("equal", "1e-9")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison of a neuron of ours with one of a peer.

    expected: "equal": no output differs; "1e-9": no membrane differs by more, and no spike; "another method": the peer
    integrates otherwise, and the row says how far apart the methods are; "differs by design": see the note.
    compared: what counts as an output: "spikes", or "membranes" of neurons that do not fire.
    neurons: of each parameter set; with the simulators each of the neurons has a parameter set of its own.
    outputs_not_zero: spikes that were fired (None where membranes are compared).
    mismatches: outputs that differ, in float64; of membranes, those that differ by more than 1e-9.
    float32_mismatches: the same in float32 (None where the peer has no float32).
    fields: the state variables in ``max_membrane_difference``, the largest difference at any step.
    membrane_low, membrane_high, median_excursion: range of v, and of one neuron's v in time (median), so that a small
    difference can be told from a membrane that does not move.
    """

    neuron: str
    peer: str
    version: str
    theirs: str
    variant: str
    expected: Literal["equal", "1e-9", "another method", "differs by design"]
    compared: Literal["spikes", "membranes"]
    parameter_sets: int
    steps: int
    neurons: int
    outputs_compared: int
    outputs_not_zero: int | None
    mismatches: int
    float32_mismatches: int | None
    fields: tuple[str, ...]
    max_membrane_difference: float
    membrane_low: float
    membrane_high: float
    median_excursion: float
    note: str = ""


def digits(value: float, count: int) -> float:
    """Round to so many significant digits: further ones change with the machine."""
    return float(f"{value:.{count - 1}e}")


def write(rows: Iterable[Row], *, peers: set[str], packages: dict[str, str]) -> None:
    """Put the rows of these peers into the table, keeping those of others."""
    words = {"python": platform.python_version(), "machine": platform.machine(), **packages}
    made = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "environment": ", ".join(f"{name} {value}" for name, value in words.items()),
    }
    kept = [row for row in read() if row["peer"] not in peers] if RESULTS.exists() else []
    table = sorted([*kept, *(asdict(row) | made for row in rows)], key=key)
    assert len({key(row) for row in table}) == len(table), "two rows have the same name"
    RESULTS.write_text(json.dumps({"rows": table}, indent=1, sort_keys=True) + "\n")


def key(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["peer"], row["neuron"], row["theirs"], row["variant"])


def read() -> list[dict[str, Any]]:
    """Read the rows of the committed table."""
    return list(json.loads(RESULTS.read_text())["rows"])


def show(row: Row) -> None:
    """Print a row on one line."""
    print(f"{row.peer:13} {row.neuron:16} {row.theirs + ', ' + row.variant:54} {row.mismatches} of ", end="")
    print(
        f"{row.outputs_compared} differ ({row.outputs_not_zero} not zero, float32 {row.float32_mismatches}), ", end=""
    )
    print(f"membranes {row.membrane_low:g}..{row.membrane_high:g} ({row.median_excursion:g}) ", end="")
    print(f"differ by {row.max_membrane_difference:g}; expected: {row.expected}", flush=True)


def markdown(rows: list[dict[str, Any]]) -> str:
    """Write the table for the README: a line for each neuron and peer; below, what is not expected to agree."""
    agree = [row for row in rows if row["expected"] in AGREE]
    others = [row for row in rows if row["expected"] not in AGREE]
    lines = [
        "Fired: share of spikes in all outputs (– where membranes are compared). Differ: outputs that differ; of",
        "membranes, those that differ by more than 1e-9. Membranes: the largest difference in float64, mV.",
        "",
        _cells(
            "Peer", "Neuron", "There (variants)", "Sets × neurons × steps", "Fired", "Differ (in float32)", "Membranes"
        ),
        _cells(*["---"] * 7),
    ]
    for peer, neuron in sorted({(row["peer"], row["neuron"]) for row in agree}, key=lambda pair: _order(*pair)):
        lines.append(_line([row for row in agree if (row["peer"], row["neuron"]) == (peer, neuron)]))
    lines += ["", "Not expected to agree:", ""]
    lines += [_cells("Peer", "Neuron", "There", "Why", "Differ", "Membranes"), _cells(*["---"] * 6)]
    for row in sorted(others, key=lambda row: (_order(row["peer"], row["neuron"]), key(row))):
        share = f"{row['mismatches'] / row['outputs_compared']:.0%}"
        there, why = f"{row['theirs']}, {row['variant']}", f"{row['expected']}: {row['note']}"
        lines.append(_cells(_name(row), row["neuron"], there, why, share, f"{row['max_membrane_difference']:.0e}"))
    return "\n".join(lines) + "\n"


def _order(peer: str, neuron: str) -> tuple[int, str]:
    return ("SpikingJelly", "snnTorch", "Norse", "NEST", "Brian2").index(peer), neuron


def _line(rows: list[dict[str, Any]]) -> str:
    first = rows[0]
    names = {row["theirs"]: sum(row["theirs"] == other["theirs"] for other in rows) for row in rows}
    there = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in names.items())
    size = f"{first['parameter_sets']} × {first['neurons']} × {first['steps']}"
    if first["parameter_sets"] == first["neurons"]:
        size = f"{first['neurons']} × 1 × {first['steps']}"
    spiking = [row for row in rows if row["compared"] == "spikes"]
    fired = sum(row["outputs_not_zero"] for row in spiking) / max(sum(row["outputs_compared"] for row in spiking), 1)
    single = [row["float32_mismatches"] for row in rows if row["float32_mismatches"] is not None]
    wrong = f"{sum(row['mismatches'] for row in rows)}" + (f" ({sum(single)})" if single else "")
    largest = max(row["max_membrane_difference"] for row in rows)
    # Rounded up, so that the table never promises more than was measured.
    bound = f"≤ 1e{math.ceil(math.log10(largest))}" if largest else "0"
    return _cells(_name(first), first["neuron"], there, size, f"{fired:.1%}" if spiking else "–", wrong, bound)


def _name(row: dict[str, Any]) -> str:
    return f"{row['peer']} {row['version']}"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(markdown(read()), end="")
