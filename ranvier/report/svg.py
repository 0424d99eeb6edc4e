"""The few lines of SVG that our figures are made of. Every attribute and text is escaped."""

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from ranvier.report.words import number


def el(tag: str, *children: Markup | str, **attributes: object) -> Markup:
    """Make an element. ``class_`` becomes class, other underscores become hyphens, None is left out."""
    words = [
        f'{name.rstrip("_").replace("_", "-")}="{escape(number(v) if isinstance(v, float) else str(v))}"'
        for name, v in attributes.items()
        if v is not None
    ]
    opening = " ".join([tag, *words])
    if not children:
        return Markup(f"<{opening}/>")  # noqa: S704 # tag is ours, attributes are escaped above
    inner = "".join(str(escape(child)) for child in children)
    return Markup(f"<{opening}>{inner}</{tag}>")  # noqa: S704


def figure(width: float, height: float, title: str, *children: Markup, wide: bool = False) -> Markup:
    """Make the outer element: scales with its column, carries its title for those who cannot see it."""
    return el(
        "svg",
        el("title", title),
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        class_="chart wide" if wide else "chart",
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "label", **more: object) -> Markup:
    """Place words."""
    return el("text", words, x=x, y=y, text_anchor=anchor, class_=class_, **more)


def path(points: Iterable[tuple[float, float]], *, class_: str, **more: object) -> Markup:
    """Draw a line through points."""
    words = "L".join(f"{number(x, 1)} {number(y, 1)}" for x, y in points)
    return el("path", d=f"M{words}", class_=class_, fill="none", **more)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values [lo, hi] to pixels [a, b]."""

    lo: float
    hi: float
    a: float
    b: float

    def __call__(self, value: float) -> float:
        """Map a value to its pixel."""
        span = self.hi - self.lo
        return self.a + (self.b - self.a) * ((value - self.lo) / span if span else 0.5)


def ticks(lo: float, hi: float, about: int = 5) -> list[float]:
    """Choose round numbers (1, 2, 2.5 or 5 times a power of ten) within [lo, hi]."""
    span = hi - lo
    if not math.isfinite(span) or span <= 0:
        return [lo]
    power = 10.0 ** math.floor(math.log10(span / about))
    size = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if span / (m * power) <= about)
    first = math.ceil(lo / size - 1e-9)
    return [i * size for i in range(first, math.floor(hi / size + 1e-9) + 1)]


def legend(entries: Sequence[tuple[str, str]], x: float, y: float) -> Markup:
    """Name lines by their colour classes, side by side from x."""
    parts: list[Markup] = []
    for words, class_ in entries:
        parts += [
            el("line", x1=x, x2=x + 14, y1=y - 4, y2=y - 4, class_=f"line {class_}"),
            text(x + 19, y, words, class_="label"),
        ]
        x += 19 + 6.6 * len(words) + 16
    return Markup("").join(parts)


def png(pixels_HWA: NDArray[np.uint8]) -> str:
    """Write RGBA pixels as a ``data:`` address of a PNG image."""
    height, width, _ = pixels_HWA.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels_HWA.reshape(height, width * 4)], axis=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + data).decode("ascii")
