"""Membrane traces: v of one neuron over time, its threshold, its spikes."""

from markupsafe import Markup

from ranvier.report.schema import Trace
from ranvier.report.svg import Scale, el, figure, path, text, ticks
from ranvier.report.words import number, short

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420.0, 168.0, 40.0, 12.0, 40.0, 24.0


def membrane(trace: Trace, *, colour: str = "c1") -> Markup:
    """Draw the trace of one neuron."""
    values = [*trace.v, *([trace.v_th] if trace.v_th is not None else [])]
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 1.0
    steps = len(trace.v)
    x_of = Scale(0, max(steps, 1), LEFT, WIDTH - RIGHT)
    y_of = Scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    parts = [text(4, 16, f"{trace.layer} · neuron {trace.neuron}"[:46], class_="title small")]
    rate = f"{len(trace.spikes)} {'spike' if len(trace.spikes) == 1 else 'spikes'}"
    limit = f" · threshold {number(trace.v_th, 3)}" if trace.v_th is not None else ""
    parts.append(text(WIDTH - RIGHT, 16, rate + limit, anchor="end", class_="label faint"))
    for tick in ticks(y_of.lo, y_of.hi, 4):
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y_of(tick), y2=y_of(tick), class_="grid"))
        parts.append(text(LEFT - 6, y_of(tick) + 4, short(tick), anchor="end"))
    every = max(1, round(ticks(0, steps, 8)[1])) if steps > 8 else 1
    parts += [text(x_of(t + 0.5), HEIGHT - 8, str(t), anchor="middle") for t in range(0, steps, every)]
    for t in trace.spikes:
        x = x_of(t + 0.5)
        parts.append(
            el("path", el("title", f"spike at step {t}"), d=f"M{number(x)} {TOP - 6}l-4 -8h8z", class_=f"fill {colour}")
        )
        parts.append(el("line", x1=x, x2=x, y1=TOP - 6, y2=HEIGHT - BOTTOM, class_=f"fall {colour}"))
    if trace.v_th is not None:
        y = y_of(trace.v_th)
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="threshold"))
    points = [(x_of(t + 0.5), y_of(v)) for t, v in enumerate(trace.v)]
    parts.append(path(points, class_=f"line {colour}"))
    if steps <= 40:
        parts += [
            el("circle", el("title", f"step {t}: v = {number(v, 4)}"), cx=px, cy=py, r=2.4, class_=f"dot {colour}")
            for t, ((px, py), v) in enumerate(zip(points, trace.v, strict=True))
        ]
    title = f"Membrane of neuron {trace.neuron} of {trace.layer}: {rate} in {steps} steps."
    return figure(WIDTH, HEIGHT, title, *parts)
