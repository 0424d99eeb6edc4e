"""Layers of a compiled network: a stage each, with the name, shapes and state that users know. Axes: B batch, D delay.

Users see states as ``ranvier.nn.Stream`` does, {path: the layer's state}, in the layer's own axes; inside they lie
channels-last, and delay lines are rings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ranvier.core.errors import StateError
from ranvier.kernels.sparse.sizes import from_last, sizes_of, to_last
from ranvier.kernels.sparse.stages import Delay, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of the network.

    Args:
        path: its path there. title: what it is. shape: of its output, without batch. stage: what it computes; None for
            what needs nothing at inference. note: what became of it, in words. state: of its neurons or delay line.
    """

    path: str
    title: str
    shape: tuple[int, ...]
    stage: Stage | None = None
    note: str = ""
    state: "Kept | None" = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The state of a layer: of which type, from which start, and how its tensors lie.

    Args: kind: its named tuple. rest: the values at rest, one a field, that spread over (B, *shape).
    """

    kind: Any
    shape: tuple[int, ...]
    rest: tuple[Tensor, ...] = field(compare=False)

    def fresh(self, batch: int) -> list[Tensor]:
        """Make the tensors of a layer at rest, channels-last."""
        return [_own(value.expand(batch, *self.shape)) for value in self.rest]

    def take(self, path: str, state: Any, batch: int) -> list[Tensor]:
        """Copy a user's state.

        Raises: StateError that names the layer.
        """
        _check_kind(path, state, self.kind)
        for name, value in zip(state._fields, state, strict=True):
            _check(f'state "{path}", {name}', value, (batch, *self.shape))
        return [_own(value) for value in state]

    def give(self, tensors: Sequence[Tensor], steps: int) -> Any:
        """See the tensors as the user's state."""
        del steps
        return self.kind(*(from_last(t.reshape(len(t), *sizes_of(self.shape)), self.shape) for t in tensors))


@dataclass(frozen=True, slots=True)
class KeptDelay:
    """The state of a delay line."""

    kind: Any
    shape: tuple[int, ...]
    delay: Delay

    def fresh(self, batch: int) -> list[Tensor]:
        """Make an empty delay line."""
        return [torch.zeros(batch, self.delay.steps, *sizes_of(self.shape))]

    def take(self, path: str, state: Any, batch: int) -> list[Tensor]:
        """Copy a user's state."""
        _check_kind(path, state, self.kind)
        _check(f'state "{path}", past', state.past, (batch, self.delay.steps, *self.shape))
        return [_own(state.past.flatten(0, 1)).reshape(batch, self.delay.steps, *sizes_of(self.shape))]

    def give(self, tensors: Sequence[Tensor], steps: int) -> Any:
        """See the ring as the user's state, the oldest first."""
        (ring,) = tensors
        straight = ring.roll(-(steps % self.delay.steps), 1)
        flat = from_last(straight.flatten(0, 1), self.shape)
        return self.kind(flat.reshape(*straight.shape[:2], *self.shape))


def _own(x_B: Tensor) -> Tensor:
    """Copy a tensor to a contiguous float32 one, channels-last."""
    return to_last(x_B.detach()).to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _check_kind(path: str, state: Any, kind: Any) -> None:
    if type(state) is not kind:
        expected = f"a state with the fields ({', '.join(kind._fields)})"
        raise StateError(f'state "{path}"', expected=expected, got=f"a {type(state).__name__}")


def _check(where: str, value: Any, shape: tuple[int, ...]) -> None:
    mend = "None starts from rest."
    if not isinstance(value, Tensor) or tuple(value.shape) != shape:
        got = str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise StateError(where, expected=f"a tensor of shape {shape}", got=got, mend=mend)
    if value.device.type != "cpu":
        raise StateError(where, expected="a tensor in main memory", got=str(value.device), mend="Move it by .cpu().")
