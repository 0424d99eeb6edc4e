"""An event recording as one self-contained HTML page: a picture with a time slider, and a cloud in space and time.

Letters: E events.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ranvier.core.errors import ShapeError
from ranvier.report.assets import render

MOST_EVENTS = 400_000
Array = NDArray[Any]


def player(
    t: Array, x: Array, y: Array, polarity: Array, *, size: tuple[int, int], title: str,
    facts: Sequence[tuple[str, str]] = (), most: int = MOST_EVENTS,
) -> str:  # fmt: skip
    """Write the page of a recording.

    Args: t: us, rising; x, y: pixels; polarity: 0 OFF, 1 ON; (E,) each. size: height and width of the sensor. title:
        such as the file's name. facts: shown below. most: events on the page; of more, one of each k is shown.
    Returns: a page that opens offline.
    Raises: ShapeError for columns of different lengths or pixels outside the sensor.
    """
    columns = [np.asarray(c) for c in (t, x, y, polarity)]
    if any(c.ndim != 1 or len(c) != len(columns[0]) for c in columns):
        raise ShapeError("player", expected="four columns (E,)", got=", ".join(str(c.shape) for c in columns))
    number, (height, width) = len(columns[0]), size
    if number and (columns[1].max() >= width or columns[2].max() >= height or min(c.min() for c in columns[1:3]) < 0):
        raise ShapeError("player", expected=f"pixels within {height} x {width}", got="others")
    every = max(1, -(-number // most))
    kept = [c[_one_of(every, number)] for c in columns]
    start, stop = (int(columns[0][0]), int(columns[0][-1])) if number else (0, 0)
    tick = 1 + (stop - start) // 0xFFFFFFFF  # us; longer than 71 minutes, times are told more coarsely
    packed = [(kept[0].astype(np.int64) - start) // tick, kept[1], kept[2], kept[3]]
    events = {
        name: base64.b64encode(np.ascontiguousarray(values.astype(kind)).tobytes()).decode()
        for name, values, kind in zip("txyp", packed, ("<u4", "<u2", "<u2", "u1"), strict=True)
    }
    seconds = (stop - start) / 1e6
    tiles = [
        ("Events", f"{number:,}", ""),
        ("Duration", *_duration(seconds)),
        ("Sensor", f"{width}×{height}", "pixels"),
        ("ON", f"{100 * float(np.mean(columns[3] > 0)) if number else 0:.1f}", "%"),
    ]
    note = f"Of {number:,} events one of each {every} is on this page." if every > 1 else ""
    held = {**events, "size": list(size), "span": max(1, (stop - start) // tick)}
    page: dict[str, object] = {
        "title": title, "tiles": tiles, "facts": list(facts), "note": note, "width": width, "height": height,
        "events": Markup(json.dumps(held)),  # noqa: S704 # numbers and base64 only
    }  # fmt: skip
    return render("player.html.j2", script="player.js", page=page)


def _one_of(every: int, number: int) -> NDArray[np.int64]:
    """Choose one of each ``every`` indices, scattered: a fixed step draws stripes where a sensor is read in rows."""
    first = np.arange(0, number, every)
    last: NDArray[np.int64] = np.minimum(first + np.random.default_rng(0).integers(0, every, first.size), number - 1)
    return last


def _duration(seconds: float) -> tuple[str, str]:
    return (f"{seconds:.4g}", "s") if seconds >= 1 else (f"{seconds * 1e3:.4g}", "ms")
