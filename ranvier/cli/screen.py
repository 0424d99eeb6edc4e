"""What the user sees: a live bar at a terminal, plain lines in a pipe, JSON and nothing else where that was asked."""

import json
import math
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

SECONDS_BETWEEN_LINES = 5.0
ENDLESS = 1_000_000  # columns of a pipe: nothing is folded there
_SHOWN = ("loss", "train_accuracy", "test_accuracy", "rate", "dead", "megabytes")


class Watch(Protocol):
    """Is told how far the work is; the same contract as ``ranvier.core.system.Watcher``."""

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        """Note that ``fraction`` of the work is done; ``words`` say what is being done."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command prints.

    Args: out: standard output. as_json: whether it carries JSON only.
    """

    out: Console
    as_json: bool

    @classmethod
    def open(cls, *, as_json: bool = False) -> "Screen":
        """Make the screen of this process; lines in a pipe are as wide as what is printed there needs."""
        return cls(console(), as_json)

    def say(self, text: str = "", style: str = "") -> None:
        """Print lines for people, broken between words at a terminal; long words such as paths stay whole."""
        if not self.as_json:
            tell(self.out, text, style)

    def show(self, table: RenderableType) -> None:
        """Print a table, or anything else that rich prints, for people; a pipe gets no blanks at the ends of lines."""
        if self.as_json:
            return
        if self.out.is_terminal:
            self.out.print(table)
            return
        with self.out.capture() as page:
            self.out.print(table)
        self.out.file.write("".join(f"{line.rstrip()}\n" for line in page.get().splitlines()))

    def give(self, value: Any) -> None:
        """Print plain values for machines."""
        if self.as_json:
            self.out.file.write(json.dumps(value, indent=2, allow_nan=False) + "\n")

    @contextmanager
    def watch(self, title: str) -> Iterator[Watch]:
        """Show the progress of what happens inside: a bar with rate and time left, or a line every few seconds."""
        if self.as_json:
            yield _silent
        elif self.out.is_terminal:
            with _Bar(self.out) as bar:
                yield _Live(bar, title)
        else:
            lines = _Lines(self.out, title)
            try:
                yield lines
            finally:
                lines.close()


def console(*, stderr: bool = False) -> Console:
    """Make a console that prints text as it is: no colours for numbers, no markup, and no folding in a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = ENDLESS
    return made


def tell(out: Console, text: str, style: str = "") -> None:
    """Print lines, broken between words where they are too long; a long word, such as a path, stays whole."""
    lines = [_break(line, out.width) if out.is_terminal else line for line in text.split("\n")]
    out.print(Text("\n".join(lines), style=style), soft_wrap=True)


def _break(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(*headings: str, title: str = "") -> Table:
    """Make an empty table in the house's look."""
    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim"
    )
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def render(figures: Mapping[str, float]) -> str:
    """Write figures as "loss 0.52  test accuracy 83.1 %  dead 4.0 %", those that are told at a glance."""
    shown = {name: figures[name] for name in _SHOWN if name in figures}
    return "  ".join(f"{name.replace('_', ' ')} {number(name, value)}" for name, value in shown.items())


def number(name: str, value: float) -> str:
    """Write one figure; those that are fractions by their name in per cent."""
    if name.rsplit("_", 1)[-1] in {"accuracy", "dead", "saturated"}:
        return f"{100 * value:.1f} %"
    return f"{value:.3g}"


def _silent(fraction: float, words: str, /, **figures: float) -> None:
    del fraction, words, figures


class _Bar(Progress):
    """A bar with pace and time left; below it what is being done and the figures, as many lines as they need."""

    def __init__(self, out: Console) -> None:
        self.below = Text("starting")
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[pace]}", style="dim"),
            TimeElapsedColumn(),
            console=out,
            refresh_per_second=8,
        )

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield the bar and what is told below it."""
        yield self.make_tasks_table(self.tasks)
        yield Padding(self.below, (0, 0, 0, 2))


class _Pace:
    """Steps per second and time left, from the first call on: what an earlier run did does not count."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None  # (time, fraction)

    def read(self, fraction: float, steps_per_s: float) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, fraction)
        seconds, done = now - self._first[0], fraction - self._first[1]
        rate = f"{steps_per_s:.1f} it/s  " if steps_per_s > 0 else ""
        if seconds <= 0 or done <= 0:
            return rate.strip()
        left = max(0, math.ceil(seconds * (1 - fraction) / done))
        return f"{rate}eta {left // 60}:{left % 60:02d}"


class _Live:
    def __init__(self, bar: _Bar, title: str) -> None:
        self._bar, self._pace, self._figures = bar, _Pace(), dict[str, float]()
        self._task = bar.add_task(title, total=1.0, pace="")

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        self._figures |= figures
        pace = self._pace.read(fraction, self._figures.get("steps_per_s", 0.0))
        self._bar.below = Text.assemble(words, "  ", (render(self._figures), "cyan"))
        self._bar.update(self._task, completed=fraction, pace=pace)


class _Lines:
    def __init__(self, out: Console, title: str) -> None:
        self._out, self._title, self._pace, self._figures = out, title, _Pace(), dict[str, float]()
        self._printed = -math.inf
        self._kept = ""  # the newest line, unless it was printed

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        self._figures |= figures
        pace = self._pace.read(fraction, self._figures.get("steps_per_s", 0.0))
        parts = (f"{self._title} {100 * fraction:3.0f} %", words, render(self._figures), pace)
        self._kept = "  ".join(part for part in parts if part)
        now = time.monotonic()
        if now - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            self.close()

    def close(self) -> None:
        """Print the newest line, so that the last thing that was told is seen."""
        if self._kept:
            self._out.print(Text(self._kept))
            self._out.file.flush()
        self._kept = ""
