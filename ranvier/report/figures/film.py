"""One sample through the network: event frames above, the spikes of each layer below, the scores of the classes last.

All share one time axis, so that a column is a moment.
"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ranvier.report.schema import Frames, Raster, Sample
from ranvier.report.svg import Scale, el, figure, path, png, text, ticks
from ranvier.report.words import number

WIDTH, LEFT, RIGHT = 860.0, 108.0, 14.0
ON, OFF, GREY = (232, 113, 42), (38, 125, 214), (128, 128, 140)  # told apart by every kind of colour vision
MOST_FRAMES = 12


def sprite(frames: Frames) -> str:
    """Paint all frames side by side, as one image: OFF blue, ON orange, more opaque where there is more."""
    values = frames.array().astype(np.float64) / 255
    colours = (OFF, ON) if frames.channels == 2 else (GREY,)
    alpha_TCHW = np.where(values > 0, 0.25 + 0.75 * values**0.6, 0.0)  # a single event is still seen
    total_THW = alpha_TCHW.sum(axis=1)
    rgb = sum(alpha_TCHW[:, c, :, :, None] * np.asarray(colour, float) for c, colour in enumerate(colours))
    rgb_THWA = rgb / np.maximum(total_THW, 1e-9)[..., None]
    pixels = np.concatenate([rgb_THWA, 255 * total_THW.clip(0, 1)[..., None]], axis=-1).round().astype(np.uint8)
    return png(_side_by_side(pixels))


def _side_by_side(pixels_THWA: NDArray[np.uint8]) -> NDArray[np.uint8]:
    steps, height, width, depth = pixels_THWA.shape
    return np.ascontiguousarray(pixels_THWA.transpose(1, 0, 2, 3)).reshape(height, steps * width, depth)


def film(sample: Sample, class_names: Sequence[str], *, key: str, dt_ms: float | None = None) -> Markup:
    """Draw one sample. ``key`` is unique on the page (the frames are painted once, and referred to)."""
    x_of = Scale(0, sample.steps, LEFT, WIDTH - RIGHT)
    parts: list[Markup] = []
    y = 6.0
    if sample.frames is not None:
        strip, y = _strip(sample.frames, sample.steps, x_of, key, y)
        parts.append(strip)
    for i, raster in enumerate(sample.rasters):
        drawn, y = _raster(raster, x_of, y, f"c{i % 6 + 1}")
        parts.append(drawn)
    if sample.scores:
        drawn, y = _scores(sample, class_names, x_of, y)
        parts.append(drawn)
    parts.append(_time_axis(x_of, y, dt_ms))
    cursor = el(
        "line",
        x1=LEFT,
        x2=LEFT,
        y1=6.0,
        y2=y,
        class_="cursor",
        data_left=LEFT,
        data_right=WIDTH - RIGHT,
        data_steps=sample.steps,
    )
    spikes = sum(len(r.step) for r in sample.rasters)
    title = f"Input and spikes over {sample.steps} time steps: {spikes} spikes shown in {len(sample.rasters)} layers."
    return figure(WIDTH, y + 34, title, *parts, cursor, wide=True)


def _strip(frames: Frames, steps: int, x_of: Scale, key: str, y: float) -> tuple[Markup, float]:
    every = -(-frames.steps // MOST_FRAMES)
    column = (x_of.b - x_of.a) / max(frames.steps, 1) * (frames.steps / steps)
    side = min(every * column - 4, 96.0)
    high = side * frames.height / frames.width
    image = el(
        "image", id=f"{key}-sprite", width=frames.steps * frames.width, height=frames.height, href=sprite(frames),
        preserveAspectRatio="none", style="image-rendering:pixelated",
    )  # fmt: skip
    parts = [el("defs", image)]
    for t in range(0, frames.steps, every):
        x = x_of.a + t * column + (every * column - side) / 2
        x = x if every == 1 else x_of.a + t * column
        parts.append(el("rect", x=x, y=y, width=side, height=high, class_="frame", rx=2.0))
        view = f"{t * frames.width} 0 {frames.width} {frames.height}"
        parts.append(
            el(
                "svg",
                el("title", f"input at step {t}"),
                el("use", href=f"#{key}-sprite"),
                x=x,
                y=y,
                width=side,
                height=high,
                viewBox=view,
            )
        )
    parts.append(text(LEFT - 12, y + high / 2 - 1, "input", anchor="end", class_="label name"))
    note = "every step" if every == 1 else f"one step in {every}"
    parts.append(text(LEFT - 12, y + high / 2 + 13, note, anchor="end", class_="label faint"))
    return Markup("").join(parts), y + high + 16


def _raster(raster: Raster, x_of: Scale, y: float, colour: str) -> tuple[Markup, float]:
    rows = len(raster.neurons)
    high = max(28.0, min(110.0, 3.2 * rows))
    pitch = high / max(rows, 1)
    column = (x_of.b - x_of.a) / (x_of.hi - x_of.lo)
    dash = min(max(column * 0.55, 1.4), 26.0)
    marks = "".join(
        f"M{number(x_of(step + 0.5) - dash / 2, 1)} {number(y + (row + 0.5) * pitch, 1)}h{number(dash, 1)}"
        for row, step in zip(raster.row, raster.step, strict=True)
    )
    shown = f"{rows} of {raster.num_neurons}" if rows < raster.num_neurons else f"all {rows}"
    parts = [
        el("rect", x=x_of.a, y=y, width=x_of.b - x_of.a, height=high, class_="band", rx=3.0),
        el(
            "path",
            d=marks or "M0 0",
            class_=f"spikes {colour}",
            stroke_width=max(min(pitch * 0.72, 4.0), 1.1),
            fill="none",
        ),
        text(LEFT - 12, y + high / 2 - 1, raster.layer[:16], anchor="end", class_="label name"),
        text(LEFT - 12, y + high / 2 + 13, shown, anchor="end", class_="label faint"),
    ]
    return Markup("").join(parts), y + high + 10


def _scores(sample: Sample, class_names: Sequence[str], x_of: Scale, y: float) -> tuple[Markup, float]:
    scores = np.asarray(sample.scores, dtype=np.float64)
    mean = np.cumsum(scores, axis=0) / np.arange(1, len(scores) + 1)[:, None]
    high = 84.0
    low, top = float(mean.min()), float(mean.max())
    y_of = Scale(low, top if top > low else low + 1, y + high - 8, y + 21)
    parts = [el("rect", x=x_of.a, y=y, width=x_of.b - x_of.a, height=high, class_="band", rx=3.0)]
    order = sorted(range(mean.shape[1]), key=lambda k: (k == sample.target) + 2 * (k == sample.predicted))
    for k in order[-100:]:
        right, answer = k == sample.target, k == sample.predicted
        class_ = "line right" if right else "line wrong" if answer else "line other"
        name = class_names[k] if k < len(class_names) else str(k)
        points = [(x_of(t + 0.5), y_of(v)) for t, v in enumerate(mean[:, k])]
        parts.append(
            el("g", el("title", f"class {name}: {number(float(mean[-1, k]), 3)}"), path(points, class_=class_))
        )
        if right or answer:
            below = right and sample.predicted not in (None, k)  # the two names must not lie on each other
            drop = 15 if below else -5
            parts.append(text(points[-1][0] - 4, points[-1][1] + drop, name[:20], anchor="end", class_="label name"))
    parts.append(text(LEFT - 12, y + high / 2 - 1, "scores", anchor="end", class_="label name"))
    parts.append(text(LEFT - 12, y + high / 2 + 13, "mean so far", anchor="end", class_="label faint"))
    return Markup("").join(parts), y + high + 10


def _time_axis(x_of: Scale, y: float, dt_ms: float | None) -> Markup:
    steps = int(x_of.hi)
    every = max(1, round(ticks(0, steps, 12)[1])) if steps > 12 else 1
    parts = [text(x_of(t + 0.5), y + 10, str(t), anchor="middle") for t in range(0, steps, every)]
    unit = f"time step ({number(dt_ms, 3)} ms each)" if dt_ms else "time step"
    return Markup("").join([*parts, text((x_of.a + x_of.b) / 2, y + 28, unit, anchor="middle", class_="label faint")])
