"""What a compiled network does, layer by layer, in words and numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ranvier.kernels.sparse.stages import FORMS, Convolution, Counts, Foreign, Linear, Neurons
from ranvier.nn.inference.layers import Layer


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer.

    Args:
        path, title: its place and kind. form: how it ran last: "scatter", "gather", "dense", "populations"
            (event-driven parts whose operations are not counted here), or what became of it.
        density: share of its inputs that were events, over all steps. crossover: density above which its product is
            dense; None where there is none. events, synops: a step, on average. steps: how many were seen. dense_steps:
            how many of them were dense. note: reasons.
    """

    path: str
    title: str
    form: str
    density: float
    crossover: float | None
    events: float
    synops: float
    steps: int
    dense_steps: int
    note: str


@dataclass(frozen=True, slots=True)
class Report:
    """All layers; ``str`` makes a table."""

    layers: tuple[LayerReport, ...]
    executor: str

    @property
    def synops(self) -> float:
        """Synaptic operations a step: additions of value * weight."""
        return sum(layer.synops for layer in self.layers)

    def __str__(self) -> str:
        head = ("layer", "form", "density", "crossover", "events", "synaptic operations", "")
        rows = [head, *(_cells(layer) for layer in self.layers)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"{self.synops:,.0f} synaptic operations a step; executor: {self.executor}"])


def _cells(layer: LayerReport) -> tuple[str, ...]:
    seen = layer.steps > 0 and layer.form in FORMS
    crossover = "" if layer.crossover is None else "never" if layer.crossover >= 1 else f"{layer.crossover:.1%}"
    dense = (
        f"{layer.dense_steps} of {layer.steps} steps dense" if layer.dense_steps and layer.crossover is not None else ""
    )
    return (
        f"{layer.path} {layer.title}", layer.form, f"{layer.density:.2%}" if seen else "", crossover,
        f"{layer.events:,.0f}" if seen else "", f"{layer.synops:,.0f}" if layer.synops else "",
        "; ".join(word for word in (layer.note, dense) if word),
    )  # fmt: skip


def report(layers: Iterable[Layer], seen: Iterable[Mapping[str, Counts]], executor: str) -> Report:
    """Sum up what sessions of the same layers have seen."""
    seen = list(seen)
    return Report(tuple(_report(layer, [s[layer.path] for s in seen if layer.path in s]) for layer in layers), executor)


def _report(layer: Layer, counts: list[Counts]) -> LayerReport:
    steps = sum(c.steps for c in counts)
    events, inputs, synops = (sum(getattr(c, name) for c in counts) for name in ("events", "inputs", "synops"))
    ran = [c for c in counts if c.steps]
    stage = layer.stage
    if stage is None:
        form = "-"
    elif isinstance(stage, Foreign):
        form = stage.form
    elif isinstance(stage, Neurons) and stage.recurrence is None:
        form = "neurons"
    else:
        form = FORMS[ran[-1].last] if ran else "not run yet"
        form = type(stage).__name__.lower() if form == "none" else form
    dense = sum(c.forms[FORMS.index("dense")] for c in counts)
    return LayerReport(
        path=layer.path, title=layer.title, form=form, density=events / inputs if inputs else 0.0,
        crossover=stage.crossover if isinstance(stage, Linear | Convolution) else None,
        events=events / steps if steps else 0.0, synops=synops / steps if steps else 0.0, steps=steps,
        dense_steps=dense, note=layer.note,
    )  # fmt: skip
