"""Small figures for the table of layers and the comparison of energies."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from ranvier.report import words
from ranvier.report.schema import Energy, Layer
from ranvier.report.svg import el, figure, text


def sparkline(histogram: Sequence[int]) -> Markup:
    """Draw a histogram of rates as small bars; their height is logarithmic, to show few beside many."""
    width, height, num = 132.0, 30.0, max(len(histogram), 1)
    top = math.log1p(max(histogram, default=0)) or 1.0
    pitch = width / num
    parts = [el("line", x1=0, x2=width, y1=height - 0.5, y2=height - 0.5, class_="axis")]
    for i, count in enumerate(histogram):
        high = (height - 3) * math.log1p(count) / top
        range_words = f"{count} neurons fire in {100 * i / num:.0f} to {100 * (i + 1) / num:.0f} % of the steps"
        if count:
            parts.append(
                el(
                    "rect",
                    el("title", range_words),
                    x=i * pitch + 0.5,
                    y=height - 1 - high,
                    width=pitch - 1,
                    height=high,
                    class_="bar",
                    rx=1.0,
                )
            )
    quiet = f"{100 * histogram[0] / (sum(histogram) or 1):.0f} %" if histogram else "none"
    svg = figure(width, height, f"Histogram of firing rates: {quiet} of the neurons in the lowest bin.", *parts)
    return Markup(str(svg).replace('class="chart"', 'class="spark"', 1))  # noqa: S704 # our own markup


def bars(energy: Energy, layers: Sequence[Layer]) -> Markup:
    """Compare the network as it is, without skipping zeros, and as an ANN of the same shape."""
    width, left, right, pitch = 860.0, 218.0, 92.0, 50.0
    rows = [
        ("This network", "zeros skipped", energy.snn_pj, "c1"),
        ("Same shape as an ANN", "every weight once", energy.ann_pj, "c2"),
        ("This network, dense", "nothing skipped", energy.dense_pj, "c6"),
    ]
    most = max(value for _, _, value, _ in rows) or 1.0
    parts: list[Markup] = []
    for i, (name, note, value, colour) in enumerate(rows):
        y = 6 + i * pitch
        long = (width - left - right) * value / most
        parts.append(text(left - 14, y + 16, name, anchor="end", class_="label name"))
        parts.append(text(left - 14, y + 31, note, anchor="end", class_="label faint"))
        if colour == "c1":
            parts += _split(layers, left, y, long, value)
        else:
            parts.append(
                el("rect", x=left, y=y + 5, width=max(long, 2.0), height=26.0, rx=4.0, class_=f"fill {colour}")
            )
        parts.append(text(left + max(long, 2) + 10, y + 23, words.energy(value), class_="label value"))
    said = ", ".join(f"{name} {words.energy(value)}" for name, _, value, _ in rows)
    return figure(width, 6 + 3 * pitch, f"Energy of one sample: {said}.", *parts, wide=True)


def _split(layers: Sequence[Layer], x: float, y: float, long: float, total: float) -> list[Markup]:
    """Cut the bar of the network into its layers."""
    parts = []
    for i, layer in enumerate(one for one in layers if one.energy_pj):
        share = (layer.energy_pj or 0.0) / (total or 1.0)
        part = long * share
        title = el("title", f"{layer.name}: {words.energy(layer.energy_pj or 0.0)} ({100 * share:.1f} %)")
        opacity = "1" if i % 2 == 0 else "0.72"
        parts.append(
            el("rect", title, x=x, y=y + 5, width=max(part - 1, 0.5), height=26.0, class_="fill c1", opacity=opacity)
        )
        x += part
    return parts or [el("rect", x=x, y=y + 5, width=max(long, 2.0), height=26.0, class_="fill c1")]
