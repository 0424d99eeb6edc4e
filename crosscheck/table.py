"""The table of the cross-checks: crosscheck/results.json, whose rows each script replaces with its own."""

import datetime
import json
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


def write(rows: list[dict[str, Any]], *, peers: set[str], packages: dict[str, str]) -> None:
    """Put the rows of these peers into the table, keeping those of others."""
    old = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    made = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "environment": {"python": platform.python_version(), "machine": platform.machine(), **packages},
    }
    kept = [row for row in old if row["peer"] not in peers]
    table = {"rows": sorted(kept + [row | made for row in rows], key=lambda r: (r["peer"], r["neuron"], r["variant"]))}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows, one a line."""
    for row in rows:
        figures = {k: v for k, v in row.items() if k not in ("neuron", "peer", "version", "variant", "note")}
        print(f"{row['peer']:13} {row['neuron']:16} {row['variant']:44}", *(f"{k}={v}" for k, v in figures.items()))
