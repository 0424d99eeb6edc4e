"""Confusion matrix: rows are the true class, columns the answer, shade the share of the row."""

from markupsafe import Markup

from ranvier.report.schema import Confusion
from ranvier.report.svg import el, figure, text

MOST = 60  # classes; more would not be readable, the list of mistakes says what matters


def heatmap(confusion: Confusion) -> Markup | None:
    """Draw the matrix, or nothing where there are too many classes to see."""
    names, num = confusion.class_names, len(confusion.class_names)
    if num > MOST:
        return None
    cell = max(9.0, min(40.0, 440.0 / num))
    gutter = 30.0 + min(7.0 * max(map(len, names)), 90.0)
    size = gutter + num * cell + 6
    parts = [
        text(gutter + num * cell / 2, 14, "answer", anchor="middle", class_="label faint"),
        text(
            12, gutter + num * cell / 2, "true class", anchor="middle", class_="label faint",
            transform=f"rotate(-90 12 {gutter + num * cell / 2:.1f})",
        ),
    ]  # fmt: skip
    upright = max(map(len, names)) * 7 <= cell
    for i, name in enumerate(names):
        shown, middle = name[:13], gutter + (i + 0.5) * cell
        parts.append(text(gutter - 8, middle + 4, shown, anchor="end"))
        turn = None if upright else f"rotate(-60 {middle:.1f} {gutter - 8:.1f})"
        anchor = "middle" if upright else "start"
        parts.append(text(middle, gutter - 8, shown, anchor=anchor, transform=turn))
    for i, row in enumerate(confusion.counts):
        total = sum(row)
        for j, count in enumerate(row):
            share = count / total if total else 0.0
            parts.append(_cell(gutter + j * cell, gutter + i * cell, cell, count, share, names[i], names[j]))
    right = sum(confusion.counts[i][i] for i in range(num))
    total = sum(map(sum, confusion.counts))
    return figure(size, size, f"Confusion matrix: {right} of {total} on the diagonal.", *parts)


def _cell(x: float, y: float, cell: float, count: int, share: float, true: str, answer: str) -> Markup:
    gap = 1.0 if cell > 14 else 0.5
    parts = [
        el("title", f"true {true}, answer {answer}: {count} ({100 * share:.1f} % of {true})"),
        el("rect", x=x, y=y, width=cell - gap, height=cell - gap, rx=min(4.0, cell / 8), class_="cell empty"),
    ]
    if count:
        # The square root lets rare mistakes be seen beside a full diagonal.
        parts.append(
            el(
                "rect",
                x=x,
                y=y,
                width=cell - gap,
                height=cell - gap,
                rx=min(4.0, cell / 8),
                class_="cell",
                opacity=f"{0.12 + 0.88 * share**0.6:.3f}",
            )
        )
        if cell >= 16 and len(str(count)) * 6.5 < cell:
            parts.append(
                text(
                    x + (cell - gap) / 2,
                    y + cell / 2 + 4,
                    str(count),
                    anchor="middle",
                    class_="count strong" if share > 0.45 else "count",
                )
            )
    return el("g", *parts)


def mistakes(confusion: Confusion, most: int = 6) -> list[tuple[str, str, int, float]]:
    """List the most frequent mistakes: (true class, answer, count, share of the true class)."""
    found = [
        (confusion.class_names[i], confusion.class_names[j], count, count / sum(row))
        for i, row in enumerate(confusion.counts)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(found, key=lambda m: -m[2])[:most]


def recalls(confusion: Confusion) -> list[tuple[str, int, float]]:
    """List for each class that occurs: its name, how often it occurs, and the share answered rightly; worst first."""
    found = [
        (name, sum(row), row[i] / sum(row))
        for i, (name, row) in enumerate(zip(confusion.class_names, confusion.counts, strict=True))
        if sum(row)
    ]
    return sorted(found, key=lambda r: r[2])
