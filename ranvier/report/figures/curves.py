"""Learning curves: loss, accuracy and whatever else the metrics hold, against the optimiser step."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from ranvier.report.source import Series
from ranvier.report.svg import Scale, el, figure, legend, path, text, ticks
from ranvier.report.words import number, short

WIDTH, HEIGHT = 520.0, 268.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 14.0, 34.0, 42.0
MANY = 60  # more points than this are drawn faint, with a smoothed line over them


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Series that share an axis."""

    title: str
    series: tuple[Series, ...]
    percent: bool = False


def panels(series: Sequence[Series]) -> list[Panel]:
    """Sort series into a loss panel, an accuracy panel and up to ten others."""
    kinds: dict[str, list[Series]] = {"loss": [], "accuracy": []}
    for one in series:
        last = one.name.lower().replace("/", ".").split(".")[-1]
        kind = "loss" if "loss" in last else "accuracy" if last.startswith("acc") or "accuracy" in last else _topic(one)
        kinds.setdefault(kind, []).append(one)
    found = []
    for kind, members in kinds.items():
        members = [m for m in members if len(m.x) > 1 or kind in ("loss", "accuracy")][:6]
        if not members:
            continue
        fractions = kind == "accuracy" and all(0 <= y <= 1 for m in members for y in m.y)
        scaled = tuple(Series(name=m.name, x=m.x, y=tuple(100 * y for y in m.y)) if fractions else m for m in members)
        title = {"loss": "Loss", "accuracy": "Accuracy, %" if fractions else "Accuracy"}.get(kind) or _TITLES.get(
            kind, _words(kind)
        )
        found.append(Panel(title=title, series=scaled, percent=fractions))
    return found[:12]


_TITLES = {
    "lr": "Learning rate",
    "grad_norm": "Norm of the gradient",
    "rate": "Firing rate",
    "dead": "Dead neurons, share",
    "saturated": "Saturated neurons, share",
    "spikes_per_sample": "Spikes a sample",
    "steps_per_s": "Steps a second",
}


def _topic(one: Series) -> str:
    """Say what a metric is about: "layers.conv1.dead" and "dead" are about "dead", "train.rate" is about "rate"."""
    first, _, rest = one.name.partition(".")
    if first == "layers":
        return rest.rpartition(".")[2]
    return rest if rest and first in ("train", "test", "val", "valid", "validation") else first


def _words(name: str) -> str:
    return name.replace("_", " ").replace("/", " ").replace(".", " ").strip()


def _name(one: Series, *, alone: bool) -> str:
    """Name a series by what sets it apart: "train_loss", "loss", "layers.2.dead" become "train", "each step", "2"."""
    if one.name.startswith("layers."):
        return one.name.removeprefix("layers.").rpartition(".")[0][:24]
    if one.name in _TITLES and not alone:
        return "all"
    kept = [word for word in _words(one.name).split() if word.lower() not in ("loss", "accuracy", "acc")]
    return " ".join(kept)[:24] or "each step"


def _named(panel: Panel) -> list[tuple[str, str, Series]]:
    """Give each series of a panel its name and colour, the same in every panel: (name, colour, series)."""
    fixed = {"each step": "c6", "train": "c1", "test": "c2", "all": "c6"}  # c6 is the neutral one
    named = sorted(
        ((_name(s, alone=len(panel.series) == 1), s) for s in panel.series), key=lambda pair: _order(pair[0])
    )
    if len(named) == 1:
        return [(named[0][0], "c1", named[0][1])]
    free = iter([f"c{i % 5 + 1}" for i in range(len(named))])
    return [(name, fixed.get(name) or next(free), one) for name, one in named]


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Sort what is neutral first, so that it lies below, then "conv2" before "conv10"."""
    first = {"each step": 0, "all": 0, "train": 1}.get(name, 2)
    return first, [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]


def smooth(y: Sequence[float], span: int) -> list[float]:
    """Average exponentially over about ``span`` points, corrected for the start: m[i] / (1 - decay^(i+1))."""
    decay, mean, weight, found = 1 - 2 / (span + 1), 0.0, 0.0, []
    for value in y:
        mean = decay * mean + (1 - decay) * value
        weight = decay * weight + (1 - decay)
        found.append(mean / weight)
    return found


def _is_rough(y: Sequence[float]) -> bool:
    """Tell noise from a schedule: whether the way up and down is more than four times the height."""
    return sum(abs(b - a) for a, b in pairwise(y)) > 4 * (max(y) - min(y))


def _thin(points: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """Keep the lowest and highest point of each stretch, so that no peak is lost."""
    if len(points) <= 2 * most:
        return points
    size = len(points) / most
    kept: list[tuple[float, float]] = []
    for i in range(most):
        part = points[int(i * size) : int((i + 1) * size)]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def curve(panel: Panel, epoch_starts: Sequence[float] = ()) -> Markup:
    """Draw one panel."""
    xs = [x for s in panel.series for x in s.x]
    ys = [y for s in panel.series for y in s.y]
    low, high = _range(panel, ys)
    x_of = Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_of = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [text(0, 18, panel.title, class_="title")]
    for tick in ticks(low, high):
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y_of(tick), y2=y_of(tick), class_="grid"))
        parts.append(text(LEFT - 8, y_of(tick) + 4, short(tick), anchor="end"))
    starts = [x for x in epoch_starts if x_of.lo < x < x_of.hi]
    bottom = HEIGHT - BOTTOM
    if len(starts) <= 40:
        parts += [el("line", x1=x_of(x), x2=x_of(x), y1=TOP, y2=bottom, class_="grid epoch") for x in starts]
    parts += [text(x_of(x), bottom + 18, short(x), anchor="middle") for x in ticks(x_of.lo, x_of.hi, 6)]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "optimiser step", anchor="middle", class_="label faint"))
    named = _named(panel)
    unit = "%" if panel.percent else ""
    parts += [_line(one, name, colour, x_of, y_of, unit) for name, colour, one in named]
    if len(named) > 1:
        width = sum(19 + 6.6 * len(name) + 16 for name, _, _ in named)
        entries = [(name, colour) for name, colour, _ in named]
        parts.append(legend(entries, max(WIDTH - RIGHT - width + 16, 150), 18))
    ends = "; ".join(f"{name} ends at {number(one.y[-1], 3)}" for name, _, one in named)
    return figure(WIDTH, HEIGHT, f"{panel.title} against the optimiser step: {ends}.", *parts)


def _range(panel: Panel, ys: Sequence[float]) -> tuple[float, float]:
    """Choose the limits of the vertical axis: robust against a wild first step, and never of no height."""
    ordered = sorted(ys)
    high = ordered[-1]
    typical = ordered[int(0.995 * (len(ordered) - 1))]
    if len(ordered) > 200 and typical > 0 and high > 3 * typical:
        high = typical
    low = min(0.0, ordered[0]) if ordered[0] < 0.4 * high else ordered[0]
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    if panel.percent:
        return max(0.0, low - margin if low else 0.0), min(100.0, high + margin)
    return (low - margin if low else 0.0), high + margin


def _line(one: Series, name: str, colour: str, x_of: Scale, y_of: Scale, unit: str) -> Markup:
    def clip(y: float) -> float:
        return min(max(y, min(y_of.lo, y_of.hi)), max(y_of.lo, y_of.hi))

    points = [(x_of(x), y_of(clip(y))) for x, y in zip(one.x, one.y, strict=True)]
    if len(points) > MANY and _is_rough(one.y):
        averaged = smooth(one.y, max(2, len(points) // 40))
        smoothed = [(x_of(x), y_of(clip(y))) for x, y in zip(one.x, averaged, strict=True)]
        return path(_thin(points), class_=f"line raw {colour}") + path(_thin(smoothed), class_=f"line {colour}")
    if len(points) > MANY:
        return path(_thin(points), class_=f"line {colour}")
    dots = [
        el(
            "circle",
            el("title", f"{name}, step {number(x)}: {number(y, 4)}{unit}"),
            cx=px,
            cy=py,
            r=3.2,
            class_=f"dot {colour}",
        )
        for (px, py), x, y in zip(points, one.x, one.y, strict=True)
    ]
    return Markup("").join([path(points, class_=f"line {colour}"), *dots])
