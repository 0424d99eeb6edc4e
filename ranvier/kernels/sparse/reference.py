"""The plain twin of event-driven stages, in torch: the law that the compiled ones are judged by.

It runs where the extension is absent, with the same meaning and, rounding included, the same sums. Axes: B batch,
H W space, C channels, N inputs, M outputs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ranvier.kernels import twin
from ranvier.kernels.sparse.frames import Frame
from ranvier.kernels.sparse.sizes import Sizes, from_last, to_last
from ranvier.kernels.sparse.stages import (
    FORMS,
    Convolution,
    Counts,
    Delay,
    Exchange,
    Flatten,
    Linear,
    Neurons,
    Outside,
    Pool,
    Stage,
)  # fmt: skip
from ranvier.kernels.sparse.tables import Taps
from ranvier.kernels.sparse.weights import Rows

DONE, NOT_FINITE = -1, -2


def add_rows(x_BN: Tensor, rows: Rows) -> Tensor:
    """Add value * row for each number of x that is not 0, in order: (B, M)."""
    sum_BM = _begin(rows, x_BN.shape[0], rows.outputs)
    weight_NM = rows.data[:, : rows.outputs].float()
    for n in x_BN.any(0).nonzero().flatten().tolist():
        sum_BM += x_BN[:, n : n + 1] * weight_NM[n]
    return _finish(sum_BM, rows)


def convolve(x_BHWC: Tensor, stage: Convolution) -> Tensor:
    """Convolve, adding in ascending order of the input's places: (B, H, W, M)."""
    sizes, rows = stage.sizes, stage.rows
    sum_BHWM = _begin(rows, x_BHWC.shape[0], sizes.channels).reshape(-1, 1, 1, sizes.channels)
    sum_BHWM = sum_BHWM.expand(-1, sizes.height, sizes.width, -1).clone()
    weight = rows.data[:, : rows.outputs].float().reshape(*stage.kernel, stage.channels_in, rows.outputs)
    size_in = stage.channels_in // stage.groups
    order = -1 if stage.transposed else 1  # a transposed kernel meets earlier inputs with later places
    for k in range(stage.kernel[0])[::order]:
        for m in range(stage.kernel[1])[::order]:
            (oy, iy), (ox, ix) = _meeting(stage.down, k), _meeting(stage.across, m)
            if not len(oy) or not len(ox):
                continue
            seen_BHWC = x_BHWC[:, iy][:, :, ix]
            part = sum_BHWM[:, oy][:, :, ox]
            for c in seen_BHWC.flatten(0, 2).any(0).nonzero().flatten().tolist():
                out = slice(c // size_in * rows.outputs, (c // size_in + 1) * rows.outputs)
                part[..., out] += seen_BHWC[..., c : c + 1] * weight[k, m, c]
            sum_BHWM[:, oy.unsqueeze(1), ox] = part
    return _finish(sum_BHWM, rows)


def pool(x_BHWC: Tensor, stage: Pool) -> Tensor:
    """Take the maximum or the mean of every window."""
    maps = []
    for down in stage.down:
        for across in stage.across:
            window = x_BHWC[:, [i for i, _ in down]][:, :, [i for i, _ in across]]
            maps.append(_in_order(window) if stage.divisors_HW is not None else window.amax((1, 2)))
    found = torch.stack(maps, 1).reshape(x_BHWC.shape[0], *stage.sizes)
    return found if stage.divisors_HW is None else found / stage.divisors_HW.unsqueeze(-1)


def _in_order(window_BHWC: Tensor) -> Tensor:
    total = torch.zeros_like(window_BHWC[:, 0, 0])
    for pixel in window_BHWC.flatten(1, 2).unbind(1):
        total += pixel
    return total


def _begin(rows: Rows, batch: int, outputs: int) -> Tensor:
    if rows.bias is None or rows.scale is not None:
        return torch.zeros(batch, outputs)
    return rows.bias[:outputs].expand(batch, -1).clone()


def _finish(total: Tensor, rows: Rows) -> Tensor:
    if rows.scale is None or rows.bias is None:
        return total
    return total * rows.scale[: total.shape[-1]] + rows.bias[: total.shape[-1]]


def _meeting(taps: Taps, place: int) -> tuple[Tensor, Tensor]:
    """Outputs and the inputs that they meet at one place of the kernel."""
    pairs = [(o, i) for o, entries in enumerate(taps) for i, k in entries if k == place]
    return torch.tensor([o for o, _ in pairs], dtype=torch.int64), torch.tensor(
        [i for _, i in pairs], dtype=torch.int64
    )


class Session:
    """Runs stages step by step; has the methods of the compiled session.

    Args: stages: in order. source: sizes of a frame. exchanges: of the stages that may ask for something outside.
    """

    def __init__(
        self, stages: Sequence[Stage], batch: int, source: Sizes, exchanges: Sequence[Exchange | None]
    ) -> None:
        self.stages, self.batch, self.source, self.exchanges = tuple(stages), batch, source, tuple(exchanges)
        self.steps = 0
        self._states: list[Tensor] = []
        self._map = torch.empty(0)
        self._at = 0
        self._counts = [Counts(0, 0, 0, 0, 0.0, [0] * len(FORMS), 0) for _ in stages]

    def bind(self, states: Sequence[Tensor]) -> None:
        """Work on these states from now on, in place."""
        self._states, self.steps = list(states), 0

    def start(self, frames: Tensor | Frame, threads: int = 1) -> int:  # noqa: ARG002 - torch has threads of its own
        """Run a step; -1: done, -2: not finite, else the number of the stage whose exchange waits."""
        frames = frames.dense() if isinstance(frames, Frame) else frames.float()
        if not bool(torch.isfinite(frames).all()):
            return NOT_FINITE
        height, width, channels = self.source
        shape = (channels, height, width)
        self._map = to_last(frames.reshape(self.batch, *shape)).contiguous()
        self._at = 0
        return self._go_on()

    def resume(self) -> int:
        """Go on after the stage that waited."""
        exchange = self.exchanges[self._at]
        assert exchange is not None
        self._map = exchange.result.clone()
        self._at += 1
        return self._go_on()

    def output(self, target: Tensor) -> None:
        """Write the output, channels last."""
        target.copy_(self._map.reshape(target.shape))

    def stats(self) -> list[Counts]:
        """What each stage has seen."""
        return self._counts

    def _go_on(self) -> int:
        while self._at < len(self.stages):
            stage, at = self.stages[self._at], self._at
            events, inputs = int(self._map.count_nonzero()), self._map.numel()
            dense = not isinstance(stage, Linear | Convolution) or events > stage.crossover * inputs
            if isinstance(stage, Outside) and dense:
                self._see(at, events, inputs, 0, "dense")
                exchange = self.exchanges[at]
                assert exchange is not None
                exchange.given.copy_(self._map.reshape(exchange.given.shape))
                return at
            self._map = self._run(at, stage, events, inputs)
            self._at += 1
        self.steps += 1
        return DONE

    def _run(self, at: int, stage: Stage, events: int, inputs: int) -> Tensor:
        x = self._map
        if isinstance(stage, Linear):
            self._see(at, events, inputs, events * stage.sizes.total, "scatter")
            return add_rows(x.flatten(1), stage.rows).reshape(self.batch, *stage.sizes)
        if isinstance(stage, Convolution):
            self._see(at, events, inputs, _synops(x, stage), "scatter")
            return convolve(x, stage)
        if isinstance(stage, Pool):
            self._see(at, events, inputs, 0, "scatter")
            return pool(x, stage)
        if isinstance(stage, Delay):
            ring = self._states[self._first_state(at)]
            place = self.steps % stage.steps
            past = ring[:, place].clone()
            ring[:, place] = x.reshape(past.shape)
            return past
        if isinstance(stage, Flatten):
            return from_last(x, (x.shape[3], x.shape[1], x.shape[2])).reshape(self.batch, 1, 1, -1)
        assert isinstance(stage, Neurons)
        return self._neurons(at, stage)

    def _neurons(self, at: int, stage: Neurons) -> Tensor:
        first = self._first_state(at)
        states = self._states[first : first + stage.states]
        current = self._map
        if stage.recurrence is not None:
            last = self._states[first + stage.states]
            events = int(last.count_nonzero())
            self._see(at, events, last.numel(), events * stage.sizes.total, "scatter")
            current = current + add_rows(last.flatten(1), stage.recurrence.rows).reshape(current.shape)
        coefficients = [twin.Coefficient(values, 1) for values in stage.values]
        flat = [state.reshape(-1) for state in states]
        done = twin.forward(stage.program, current.reshape(1, -1), flat, coefficients)
        for state, new in zip(states, done.states, strict=True):
            state.copy_(new.reshape(state.shape))
        spikes = done.outputs[0].reshape(self.batch, *stage.sizes)
        if stage.recurrence is not None:
            self._states[first + stage.states].copy_(spikes)
        return spikes

    def _first_state(self, at: int) -> int:
        return sum(num_states(stage) for stage in self.stages[:at])

    def _see(self, at: int, events: int, inputs: int, synops: int, form: str) -> None:
        old, number = self._counts[at], FORMS.index(form)
        forms = [count + (n == number) for n, count in enumerate(old.forms)]
        density = events / inputs if inputs else 0.0
        self._counts[at] = Counts(
            old.steps + 1, old.events + events, old.inputs + inputs, old.synops + synops, density, forms, number
        )


def num_states(stage: Stage) -> int:
    """How many state tensors a stage has."""
    if isinstance(stage, Neurons):
        return stage.states + (stage.recurrence is not None)
    return int(isinstance(stage, Delay))


def _synops(x_BHWC: Tensor, stage: Convolution) -> int:
    """Additions of value * weight: each event goes to every output that one of its kernel places reaches."""
    rows, columns = (
        torch.tensor([sum(i == place for entries in taps for i, _ in entries) for place in range(size)])
        for taps, size in ((stage.down, x_BHWC.shape[1]), (stage.across, x_BHWC.shape[2]))
    )
    reached_HW = rows.unsqueeze(1) * columns
    return int(((x_BHWC != 0) * reached_HW.unsqueeze(-1)).sum()) * stage.rows.outputs
