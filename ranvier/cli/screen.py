"""What the user sees: a live bar at a terminal, plain lines in a pipe, JSON and nothing else where that was asked."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

SECONDS_BETWEEN_LINES = 5.0
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
        terminal = Console(highlight=False)
        return cls(terminal if terminal.is_terminal else Console(highlight=False, width=160), as_json)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line for people; long words such as paths stay whole."""
        if not self.as_json:
            self.out.print(Text(text, style=style), soft_wrap=True)

    def show(self, table: RenderableType) -> None:
        """Print a table, or anything else that rich prints, for people."""
        if not self.as_json:
            self.out.print(table)

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
            with _bar(self.out) as bar:
                yield _Live(bar, title)
        else:
            yield _Lines(self.out, title)


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


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[words]}"),
        TextColumn("[cyan]{task.fields[figures]}"),
        TextColumn("[dim]{task.fields[pace]}"),
        TimeElapsedColumn(),
        console=console,
        refresh_per_second=8,
    )


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
    def __init__(self, bar: Progress, title: str) -> None:
        self._bar, self._pace, self._figures = bar, _Pace(), dict[str, float]()
        self._task = bar.add_task(title, total=1.0, words="", figures="", pace="")

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        self._figures |= figures
        pace = self._pace.read(fraction, self._figures.get("steps_per_s", 0.0))
        self._bar.update(self._task, completed=fraction, words=words, figures=render(self._figures), pace=pace)


class _Lines:
    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title, self._pace, self._figures = console, title, _Pace(), dict[str, float]()
        self._printed = -math.inf

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        self._figures |= figures
        pace = self._pace.read(fraction, self._figures.get("steps_per_s", 0.0))
        now = time.monotonic()
        if now - self._printed < SECONDS_BETWEEN_LINES and fraction < 1:
            return
        self._printed = now
        parts = (f"{self._title} {100 * fraction:3.0f} %", words, render(self._figures), pace)
        self._console.print(Text("  ".join(part for part in parts if part)), soft_wrap=True)
        self._console.file.flush()
