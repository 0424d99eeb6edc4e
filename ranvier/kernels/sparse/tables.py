"""Which places of input, kernel and output meet along one axis, as tables: one kernel then serves every kind of layer.

o = output, i = input, k = kernel. A convolution meets i = o * stride - padding + k * dilation; a transposed one the
other way round, o = i * stride - padding + k * dilation.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

Taps = list[list[tuple[int, int]]]  # of each output: (input, kernel place), input ascending


class Table(NamedTuple):
    """Lists of different lengths, one after the other: list n is [start[n], start[n + 1]) of every column."""

    start: list[int]
    columns: tuple[list[int], ...]


class Window(NamedTuple):
    """A window along one axis. Args: before, after: padding."""

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    def size_out(self, size_in: int) -> int:
        """Outputs of a convolution or pool, the last incomplete window left out."""
        return (size_in + self.before + self.after - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    def size_out_transposed(self, size_in: int, extra: int) -> int:
        """Outputs of a transposed convolution; ``extra`` is its output padding."""
        reach = self.dilation * (self.kernel - 1) + extra + 1
        return (size_in - 1) * self.stride - self.before - self.after + reach

    def taps(self, size_in: int, size_out: int) -> Taps:
        """What each output of a convolution or pool sees."""
        return [
            [
                (i, k) for k in range(self.kernel)
                if 0 <= (i := o * self.stride - self.before + k * self.dilation) < size_in
            ]
            for o in range(size_out)
        ]  # fmt: skip

    def taps_transposed(self, size_in: int, size_out: int) -> Taps:
        """What each output of a transposed convolution sees."""
        taps: Taps = [[] for _ in range(size_out)]
        for i in range(size_in):
            for k in range(self.kernel):
                o = i * self.stride - self.before + k * self.dilation
                if 0 <= o < size_out:
                    taps[o].append((i, k))
        return taps


def adaptive(size_in: int, size_out: int) -> Taps:
    """What each output of an adaptive pool sees: from floor(o * in / out) to ceil((o + 1) * in / out)."""
    starts = [o * size_in // size_out for o in range(size_out)]
    ends = [-(-(o + 1) * size_in // size_out) for o in range(size_out)]
    return [[(i, i - start) for i in range(start, end)] for start, end in zip(starts, ends, strict=True)]


def table(lists: Sequence[Sequence[tuple[int, ...]]], width: int) -> Table:
    """Lay lists of tuples of ``width`` numbers out as a table."""
    start = [0]
    for entries in lists:
        start.append(start[-1] + len(entries))
    return Table(start, tuple([entry[n] for entries in lists for entry in entries] for n in range(width)))


def segments(taps: Taps) -> Table:
    """Join taps that lie side by side in input and kernel: (first input, input after the last, first kernel place)."""
    joined: list[list[tuple[int, ...]]] = []
    for entries in taps:
        cuts = [n + 1 for n, ((i, k), (j, m)) in enumerate(pairwise(entries)) if (j, m) != (i + 1, k + 1)]
        parts = [entries[a:b] for a, b in pairwise([0, *cuts, len(entries)])] if entries else []
        joined.append([(part[0][0], part[-1][0] + 1, part[0][1]) for part in parts])
    return table(joined, 3)


def targets(taps: Taps, size_in: int) -> Table:
    """Turn taps round: of each input, (output, kernel place)."""
    found: list[list[tuple[int, ...]]] = [[] for _ in range(size_in)]
    for o, entries in enumerate(taps):
        for i, k in entries:
            found[i].append((o, k))
    return table(found, 2)
