"""Event-driven stages on the compiled extension: the meaning of ``ranvier.kernels.sparse.reference``, in C++."""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined] # public, though not marked so

from ranvier.core.extension import Extension
from ranvier.kernels.cpu.encode import encode
from ranvier.kernels.sparse.frames import Frame
from ranvier.kernels.sparse.sizes import Sizes
from ranvier.kernels.sparse.stages import (
    Convolution,
    Counts,
    Delay,
    Exchange,
    Flatten,
    Foreign,
    Linear,
    Neurons,
    Pool,
    Stage,
)  # fmt: skip
from ranvier.kernels.sparse.tables import segments, table, targets
from ranvier.kernels.sparse.weights import Rows

if TYPE_CHECKING:
    from ranvier.kernels.sparse import _events


EXTENSION = Extension("ranvier.kernels.sparse._events", "the C++ extension")


def absence() -> str | None:
    """Say why the extension cannot be used here; None if it can."""
    return EXTENSION.absence()


def variants() -> list[str]:
    """Instruction sets that this processor has, fastest first."""
    found: list[str] = _extension().variants()
    return found


def _extension() -> ModuleType:
    return EXTENSION.module("event-driven inference")


class Session:
    """Runs stages step by step in C++; see ``reference.Session`` for its methods.

    Args: variant: the instruction set, for tests; the best one by default.
    """

    def __init__(
        self, stages: Sequence[Stage], batch: int, source: Sizes, exchanges: Sequence[Exchange | None],
        *, variant: str | None = None,
    ) -> None:  # fmt: skip
        self._session: _events.Session = _extension().Session(batch, tuple(source), variant)
        self.resume = self._session.resume
        before = source
        for at, stage in enumerate(stages):
            follower = stages[at + 1] if at + 1 < len(stages) else None
            _add(self._session, stage, before, exchanges[at], lazy=isinstance(follower, Neurons))
            before = stage.sizes

    def bind(self, states: Sequence[Tensor]) -> None:
        """Work on these states from now on, in place."""
        self._session.bind([to_dlpack(state) for state in states])

    def start(self, frames: Tensor | Frame, threads: int = 1) -> int:
        """Run a step; -1: done, -2: not finite, else the number of the stage whose exchange waits.

        Args: frames: contiguous float32 or uint8, or a frame.
        """
        if isinstance(frames, Frame):
            data, _, packed, last, first = frames
            data = data.as_strided((data.numel(),), (1,)) if last else data  # the extension takes no other strides
            return self._session.start(to_dlpack(data), threads, packed, last, first)
        return self._session.start(to_dlpack(frames), threads)

    def output(self, target: Tensor) -> None:
        """Write the output, channels last."""
        self._session.output(to_dlpack(target))

    def stats(self) -> list[Counts]:
        """What each stage has seen."""
        return [Counts(*row) for row in self._session.stats()]

    @property
    def steps(self) -> int:
        """Steps since states were bound."""
        return self._session.steps


def _rows(rows: Rows) -> tuple[object, object | None, object | None]:
    # numpy knows no bfloat16, and the extension takes its bits.
    data = rows.data.view(torch.int16) if rows.data.dtype == torch.bfloat16 else rows.data
    return to_dlpack(data), _maybe(rows.bias), _maybe(rows.scale)


def _maybe(x: Tensor | None) -> object | None:
    return None if x is None else to_dlpack(x)


def _add(session: Any, stage: Stage, before: Sizes, exchange: Exchange | None, *, lazy: bool) -> None:
    if isinstance(stage, Linear | Convolution):
        assert exchange is not None
        given, result = to_dlpack(exchange.given), to_dlpack(exchange.result)
        if isinstance(stage, Linear):
            session.linear(stage.sizes.total, *_rows(stage.rows), given, result, stage.crossover, lazy)
            return
        down, joined, back = table(stage.down, 2), segments(stage.across), targets(stage.across, before.width)
        session.convolution(
            tuple(stage.sizes), *_rows(stage.rows), given, result, stage.crossover, lazy, stage.kernel, stage.groups,
            [down.start, *down.columns], [joined.start, *joined.columns], [back.start, *back.columns],
        )  # fmt: skip
    elif isinstance(stage, Neurons):
        code = encode(stage.program, {name: number for number, name in enumerate(_extension().opcodes())})
        values = [to_dlpack(v.contiguous()) for v in stage.values]
        recurrent = () if stage.recurrence is None else _rows(stage.recurrence.rows)
        session.neurons(code.registers, code.states, code.constants, code.words, code.in_place, values, *recurrent)
    elif isinstance(stage, Pool):
        tables = [table(taps, 2) for taps in (stage.down, stage.across)]
        divisors = [] if stage.divisors_HW is None else stage.divisors_HW.flatten().tolist()
        session.pool(tuple(stage.sizes), *([t.start, t.columns[0]] for t in tables), divisors)
    elif isinstance(stage, Delay):
        session.delay(stage.steps)
    elif isinstance(stage, Flatten):
        session.flatten()
    else:
        assert isinstance(stage, Foreign)
        assert exchange is not None
        session.foreign(tuple(stage.sizes), to_dlpack(exchange.given), to_dlpack(exchange.result))
