"""Draw docs/figures/roofline.svg, and write the table of docs/speed.md, from what ``ranvier bench --out`` wrote.

Run: python benchmarks/roofline.py; it reads benchmarks/results.json. Each workload stands where its operations per byte put it; no point can lie above
the roof, which is the lower of what memory brings and what the arithmetic units do.
"""

import json
import math
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
COLOURS = {"ours": "#1f4fb8", "ours, bfloat16": "#6a8fdc", "ours, events": "#6a8fdc"}
MARKS = {"torch loop": "s", "torch.compile": "D", "SpikingJelly": "^", "snnTorch": "v", "Norse": "P"}


def roof(axes: Axes, machine: dict[str, float]) -> None:
    """Draw what the machine can do."""
    intensities = [10 ** (k / 20) for k in range(-30, 70)]
    for dtype, style in (("float32", "-"), ("bfloat16", "--")):
        peak = machine[f"{dtype}_gflop_s"]
        heights = [min(machine["copy_gb_s"] * x, peak) for x in intensities]
        axes.plot(intensities, heights, style, color="#444", lw=1.4, label=f"roof, {dtype}")
    x = 0.06
    axes.text(x, machine["copy_gb_s"] * x * 1.3, f"{machine['copy_gb_s']:.0f} GB/s copy", rotation=34, color="#444")


def points(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Put every contender of every training row at the rate it reached."""
    named = set()
    for row in rows:
        if row["operation"] != "training" or not row["bytes"]:
            continue
        x = row["float_operations"] / row["bytes"]
        for name, figures in row["contenders"].items():
            if name.startswith("without"):
                continue
            y = row["float_operations"] / figures["median_s"] / 1e9
            label = None if name in named else name
            named.add(name)
            colour, mark = COLOURS.get(name, "#c2410c"), MARKS.get(name, "o")
            axes.plot(x, y, mark, color=colour, label=label, ms=7 if name.startswith("ours") else 5)


def table(found: dict[str, Any]) -> str:
    """Write a line for each operation: the limit, ours, and how many times longer the others took."""
    machine, when = found["machine"], found["environment"]["started"][:10]
    lines = [
        f"{when}, {found['environment']['cpu']}, {machine['threads']:.0f} threads, torch "
        f"{found['environment']['versions']['torch']}; copy {machine['copy_gb_s']:.0f} GB/s, products "
        f"{machine['float32_gflop_s']:.0f} GFLOP/s in float32, {machine['bfloat16_gflop_s']:.0f} in bfloat16. Medians.",
        "", "| workload | operation | limit | ours | of the limit | others, times ours |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in found["rows"]:
        case = " ".join(f"{k}={v}" for k, v in row["case"].items() if k != "reset")
        ours = row["contenders"]["ours"]["median_s"]
        others = sorted(
            (f["median_s"] / ours, name) for name, f in row["contenders"].items() if name not in ("ours", "ours, dense")
        )
        words = ", ".join(f"{name} {times:.2g}" for times, name in others)
        lines.append(
            f"| {row['workload']} {case} | {row['operation']} | {span(row['least_s'])} | {span(ours)} | "
            f"{100 * row['least_s'] / ours:.0f} % | {words} |"
        )
    return "\n".join(lines)


def span(seconds: float) -> str:
    """Write a time."""
    unit, size = next((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)) if seconds >= s)
    return f"{seconds / size:.3g} {unit}"


def main() -> None:
    """Draw and write."""
    found = json.loads((HERE / "results.json").read_text())
    page = HERE.parent / "docs" / "speed.md"
    before, rest = page.read_text().split("<!-- bench -->")
    after = rest.split("<!-- /bench -->")[1]
    page.write_text(f"{before}<!-- bench -->\n{table(found)}\n<!-- /bench -->{after}")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    roof(axes, found["machine"])
    points(axes, found["rows"])
    axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s")
    axes.set_ylim(10 ** math.floor(math.log10(axes.get_ylim()[0])), None)
    axes.grid(visible=True, which="major", color="#e5e5e5")
    axes.legend(frameon=False, fontsize=8)
    machine = found["machine"]
    axes.set_title(f"Training, {found['environment']['cpu']}, {machine['threads']} threads", loc="left", fontsize=10)
    out = HERE.parent / "docs" / "figures" / "roofline.svg"
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
