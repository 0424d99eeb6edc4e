"""Results as words on a terminal: one run, or several side by side. Returns what rich prints; prints nothing itself."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ranvier.report import words
from ranvier.report.html import energy_sentence
from ranvier.report.schema import Results
from ranvier.report.source import Source, read
from ranvier.report.words import number, short

_BARS = " ▁▂▃▄▅▆▇█"


def summary(results: Results) -> RenderableType:
    """Return the headline figures and the table of layers."""
    parts: list[RenderableType] = [Text(results.title, style="bold")]
    if results.summary:
        parts.append(Text(results.summary, style="dim"))
    head = Table.grid(padding=(0, 3))
    for line in results.headlines:
        head.add_row(Text(line.label, style="dim"), Text(f"{number(line.value, 3)} {line.unit}".strip(), style="bold"))
    parts += [head, _layers(results)]
    if results.energy:
        parts.append(Text(energy_sentence(results.energy)))
    if results.claim:
        style = {"holds": "green", "open": "yellow", "fails": "red"}[results.claim.verdict]
        parts.append(Text.assemble("Claim ", (results.claim.verdict, style), f": {results.claim.sentence}"))
    return Group(*parts)


def _layers(results: Results) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("layer")
    for name in ("parameters", "neurons", "rate", "rates", "dead", "saturated", "operations", "energy"):
        table.add_column(name, justify="left" if name == "rates" else "right")
    for layer in results.layers:
        seen = layer.activity
        done = None if layer.dense is None else (layer.macs or 0) + (layer.acs or 0)
        table.add_row(
            Text(f"{layer.name} {layer.kind}"),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{seen.num_neurons:,}" if seen else "",
            number(seen.rate, 3) if seen else "",
            _blocks(seen.histogram) if seen else "",
            f"{100 * seen.dead:.1f} %" if seen else "",
            f"{100 * seen.saturated:.1f} %" if seen else "",
            "" if done is None else f"{short(done)} {'MAC' if layer.macs else 'AC'}",
            "" if layer.energy_pj is None else words.energy(layer.energy_pj),
        )
    return table


def _blocks(histogram: Sequence[int]) -> str:
    top = max(histogram, default=0) or 1
    return "".join(_BARS[-(-8 * count // top)] for count in histogram)


def compare(runs: Sequence[Path | str]) -> Table:
    """Return a table of the headline figures of several run folders, one a row.

    A run without results shows its last metrics.

    Raises: RunError for a path that is no folder.
    """
    sources = [read(Path(run)) for run in runs]
    figures = [_figures(source) for source in sources]
    columns = list(dict.fromkeys(name for found in figures for name in found))[:8]
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("state")
    for column in columns:
        table.add_column(Text(column), justify="right")
    for source, found in zip(sources, figures, strict=True):
        state = Text("finished", style="green") if source.results else Text("not finished", style="yellow")
        table.add_row(Text(source.folder.resolve().name), state, *(Text(found.get(name, "–")) for name in columns))
    return table


def _figures(source: Source) -> dict[str, str]:
    if source.results:
        return {h.label: f"{number(h.value, 3)} {h.unit}".strip() for h in source.results.headlines}
    told = [s for s in source.series if "loss" in s.name or "accuracy" in s.name]
    return {series.name: number(series.y[-1], 4) for series in told}
