"""A stream through a compiled network: the state is held and updated in place. Axes: T time, B batch."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, DtypeError, ShapeError
from ranvier.kernels.sparse.frames import frame_of
from ranvier.nn.inference.runner import Runner


class Maker(Protocol):
    """What makes runners for a shape of frames."""

    def make_runner(self, shape: torch.Size) -> Runner:
        """Make one."""


class EventStream:
    """A compiled network and the state it is in, for a batch of independent streams; used like ``ranvier.nn.Stream``.

    ``y_B = stream(frame_B)`` advances by one step. States are the same as those of ``ranvier.nn.Stream`` on the network
    that was compiled, so one may take over where the other stopped (a ``Dropout`` has none here).

    Args: net: the compiled network. batch: number of parallel streams.
    """

    def __init__(self, net: Maker, *, batch: int) -> None:
        if batch < 1:
            raise ConfigError("EventStream.batch", expected="at least 1", got=str(batch))
        self.net, self.batch = net, batch
        self.runner: Runner | None = None  # made by the first frame, whose shape decides
        self._waiting: Mapping[str, Any] | None = None  # a state assigned before the first frame

    def __call__(self, frame_B: Tensor) -> Tensor:
        """Advance by one step: (B, ...) to (B, ...), float32.

        Raises: ShapeError, DtypeError, NonFiniteError; StateError for an assigned state that does not fit.
        """
        runner = self.runner
        if runner is None or frame_B.shape[1:] != runner.shape or frame_B.shape[0] != self.batch:
            runner = self._first(frame_B)
        plain = type(frame_B) is Tensor and frame_B.dtype == torch.float32 and not frame_B.requires_grad
        return runner.step(frame_B if plain and frame_B.is_contiguous() else frame_of(frame_B))

    def run(self, x_TB: Tensor) -> Tensor:
        """Advance by a chunk of steps: (T, B, ...) to (T, B, ...)."""
        if x_TB.ndim < 3 or x_TB.shape[0] < 1:
            raise ShapeError("EventStream", expected="an input (T, B, ...) with T >= 1", got=str(tuple(x_TB.shape)))
        return torch.stack([self(frame_B) for frame_B in x_TB])

    @property
    def state(self) -> dict[str, Any] | None:
        """A copy of the state, {path of a layer: its state}; None before the first frame. Assigning continues there."""
        if self.runner is None:
            return None if self._waiting is None else dict(self._waiting)
        state = self.runner.state()
        return {path: type(own)(*(value.clone() for value in own)) for path, own in state.items()}

    @state.setter
    def state(self, state: Mapping[str, Any] | None) -> None:
        if self.runner is None:
            self._waiting = None if state is None else dict(state)
        else:
            self.runner.load(state)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, scales and biases as they are stored, without padding; 0 before the first frame."""
        return 0 if self.runner is None else self.runner.weight_bytes

    def reset(self) -> None:
        """Go back to rest."""
        self.state = None

    def select(self, indices: Sequence[int] | Tensor | slice) -> "EventStream":
        """Make a stream of some of these streams, in the order of ``indices``; this one stays as it is."""
        wanted = indices if isinstance(indices, slice) else torch.as_tensor(indices)
        try:
            places = torch.arange(self.batch)[wanted]
        except IndexError:
            places = torch.empty(0)
        if not places.numel():
            expected = f"at least one place, all among 0 to {self.batch - 1}"
            raise ConfigError("EventStream.select", expected=expected, got=str(indices))
        chosen = EventStream(self.net, batch=len(places))
        state = self.state
        if state is not None:
            chosen.state = {path: type(own)(*(value[places] for value in own)) for path, own in state.items()}
        return chosen

    def _first(self, frame_B: Tensor) -> Runner:
        if not isinstance(frame_B, Tensor) or frame_B.is_complex():
            got = str(frame_B.dtype) if isinstance(frame_B, Tensor) else f"a {type(frame_B).__name__}"
            raise DtypeError("EventStream", expected="a tensor of real numbers", got=got)
        if frame_B.ndim < 2 or frame_B.shape[0] != self.batch:
            raise ShapeError("EventStream", expected=f"a batch of {self.batch}", got=str(tuple(frame_B.shape)))
        if self.runner is not None:
            expected = f"frames (B, ...) of shape {(self.batch, *self.runner.shape)}"
            got, mend = str(tuple(frame_B.shape)), "Start another stream for frames of another size."
            raise ShapeError("EventStream", expected=expected, got=got, mend=mend)
        runner = self.net.make_runner(frame_B.shape)
        runner.load(self._waiting)
        self.runner, self._waiting = runner, None
        return runner
