"""Runs the layers of a compiled network for one shape of frames, step by step. Axes: B batch, T time."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ranvier.core.errors import NonFiniteError, StateError, UnknownNameError
from ranvier.kernels.sparse import native, reference
from ranvier.kernels.sparse.frames import Frame
from ranvier.kernels.sparse.sizes import from_last, sizes_of
from ranvier.kernels.sparse.stages import Convolution, Counts, Exchange, Linear, Neurons, Outside, Stage
from ranvier.kernels.sparse.weights import Rows
from ranvier.nn.inference.layers import Layer
from ranvier.nn.inference.outside import Stranger


def exchanges(stages: Sequence[Stage], batch: int, shape: Sequence[int]) -> list[Exchange | None]:
    """Make the dense maps through which work outside is done; until they are touched they cost nothing."""
    found: list[Exchange | None] = []
    before = sizes_of(shape)
    for stage in stages:
        outside = isinstance(stage, Outside)
        found.append(Exchange(torch.empty(batch, *before), torch.empty(batch, *stage.sizes)) if outside else None)
        before = stage.sizes
    return found


def _rows(stage: Stage) -> list[Rows]:
    if isinstance(stage, Linear | Convolution):
        return [stage.rows]
    return [stage.recurrence.rows] if isinstance(stage, Neurons) and stage.recurrence is not None else []


class Runner:
    """The layers and the states they are in.

    Args: layers: of a network. outsiders: those that do their work outside. batch: independent streams.
        shape: of a frame. known: paths of layers that may appear in a state though nothing of them is left.
        compiled: whether the C++ extension runs it, else the plain twin.
    """

    def __init__(
        self, layers: Sequence[Layer], outsiders: Sequence[Stranger], batch: int, shape: tuple[int, ...],
        known: frozenset[str], *, compiled: bool,
    ) -> None:  # fmt: skip
        self.layers, self.outsiders = tuple(layers), tuple(outsiders)
        self.batch, self.shape, self.known = batch, shape, known
        self.staged = [layer for layer in layers if layer.stage is not None]
        stages = [layer.stage for layer in self.staged if layer.stage is not None]
        self.exchanges = exchanges(stages, batch, shape)
        kind = native.Session if compiled else reference.Session
        self.session = kind(stages, batch, sizes_of(shape), self.exchanges)
        self.out_shape = layers[-1].shape if layers else shape
        self._sizes_out = sizes_of(self.out_shape)
        self._flat = self._sizes_out.height * self._sizes_out.width == 1
        self._tensors: list[list[Tensor]] = []

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Continue from a copy of a state; None is rest.

        Raises: StateError that names the layer.
        """
        if state is not None:
            self._check_paths(state)
        tensors: list[list[Tensor]] = []
        for layer in self.staged:
            if layer.state is None:
                tensors.append([])
            elif state is None:
                tensors.append(layer.state.fresh(self.batch))
            elif layer.path not in state:
                mend = "state=None starts all from rest."
                raise StateError(f'state "{layer.path}"', expected="a state for this layer", got="none", mend=mend)
            else:
                tensors.append(layer.state.take(layer.path, state[layer.path], self.batch))
        for outsider in self.outsiders:
            outsider.take(state or {})
        self._tensors = tensors
        self.session.bind([tensor for own in tensors for tensor in own])

    def state(self) -> dict[str, Any]:
        """See the state as users know it; views of what the next step will change."""
        found: dict[str, Any] = {}
        for layer, tensors in zip(self.staged, self._tensors, strict=True):
            if layer.state is not None:
                found[layer.path] = layer.state.give(tensors, self.session.steps)
        for outsider in self.outsiders:
            found |= outsider.give()
        return found

    def step(self, frame_B: Tensor | Frame) -> Tensor:
        """Advance by one step: (B, ...), contiguous float32 or a frame, to (B, ...).

        Raises: NonFiniteError for a frame with NaN or infinity; the state is then as it was.
        """
        at = self.session.start(frame_B, torch.get_num_threads())
        while at >= 0:
            exchange, stage = self.exchanges[at], self.staged[at].stage
            assert exchange is not None
            assert isinstance(stage, Outside)
            exchange.result.copy_(stage.dense(exchange.given).reshape(exchange.result.shape))
            at = self.session.resume()
        if at == reference.NOT_FINITE:
            numbers_B = frame_B.dense() if isinstance(frame_B, Frame) else frame_B
            bad = int((~torch.isfinite(numbers_B)).sum())
            got = f"{bad} of {numbers_B.numel()} values that are NaN or infinite"
            raise NonFiniteError("event-driven network", expected="finite numbers", got=got)
        if self._flat:
            flat = torch.empty(self.batch, *self.out_shape)
            self.session.output(flat)
            return flat
        out = torch.empty(self.batch, *self._sizes_out)
        self.session.output(out)
        return from_last(out, self.out_shape)

    def counts(self) -> dict[str, Counts]:
        """What each stage has seen, by the path of its layer."""
        return {layer.path: count for layer, count in zip(self.staged, self.session.stats(), strict=True)}

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, scales and biases, without padding."""
        rows = [row for layer in self.staged if layer.stage is not None for row in _rows(layer.stage)]
        return sum(row.used_bytes for row in rows) + sum(outsider.weight_bytes for outsider in self.outsiders)

    def _check_paths(self, state: Mapping[str, Any]) -> None:
        for path in state:
            if path not in self.known:
                mend = UnknownNameError.among("", path, self.known).mend
                raise StateError(
                    "state", expected="states of the network's own layers", got=f"one for {path!r}", mend=mend
                )
