"""Layers that no event-driven stage exists for: they run as they are, on dense frames. Axes: B batch."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, RanvierError
from ranvier.kernels.sparse.sizes import from_last, sizes_of, to_last
from ranvier.kernels.sparse.stages import Foreign
from ranvier.nn.folding import sees_time
from ranvier.nn.stateful import Stateful, run


class Stranger(Protocol):
    """A layer that does its work outside the session and keeps its state itself."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of its output, without batch."""
        ...

    @property
    def weight_bytes(self) -> int:
        """Bytes of its weights in use."""
        ...

    def stage(self) -> Foreign:
        """Make its stage."""
        ...

    def give(self) -> dict[str, Any]:
        """Return the states inside, {path in the network: state}."""
        ...

    def take(self, state: Mapping[str, Any]) -> None:
        """Continue from the states in ``state`` that lie inside; none of them is rest."""
        ...


class Outsider:
    """A layer that runs dense, step by step, with the states inside it.

    Args: layer: copied, in evaluation. path: its path in the network. shape: of its input, without batch.
    Raises: ConfigError for a layer that cannot be run step by step.
    """

    def __init__(self, path: str, layer: nn.Module, shape: tuple[int, ...]) -> None:
        self.path, self.shape_in = path, shape
        self.layer = deepcopy(layer).eval().requires_grad_(False)
        self.timed = sees_time(self.layer)
        self.holds_state = any(isinstance(m, Stateful) for m in self.layer.modules())
        self.state: dict[str, Any] | None = None
        self.shape: tuple[int, ...] = ()
        self.shape = tuple(self(torch.zeros(1, *shape)).shape[1:])
        self.state = None
        if not self.shape or 0 in self.shape:
            raise self._stranger(f"an output of shape {self.shape}")

    @property
    def weight_bytes(self) -> int:
        """Bytes of all its parameters."""
        return sum(p.nbytes for p in self.layer.parameters())

    def stage(self) -> Foreign:
        """Make its stage."""
        return Foreign(sizes=sizes_of(self.shape), call=self._on_maps)

    def give(self) -> dict[str, Any]:
        """Return the states inside, {path in the network: state}."""
        inside = self.state or {}
        return {f"{self.path}.{name}".strip("."): own for name, own in inside.items()}

    def take(self, state: Mapping[str, Any]) -> None:
        """Continue from the states in ``state`` that lie inside; none of them is rest."""
        own = {path: value for path, value in state.items() if path == self.path or path.startswith(f"{self.path}.")}
        cut = len(self.path)
        self.state = {path[cut:].lstrip("."): value for path, value in own.items()} or None

    @torch.no_grad()
    def __call__(self, x_B: Tensor) -> Tensor:
        """Run a step."""
        try:
            if not self.timed:
                y_B = self.layer(x_B)
            else:
                y_1B, self.state = run(self.layer, x_B.unsqueeze(0), self.state)
                if not isinstance(y_1B, Tensor) or y_1B.shape[:1] != (1,):
                    raise self._stranger("one that does not give a step for a step")
                y_B = y_1B[0]
        except RanvierError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
            raise self._stranger(f"an error of its own ({str(error).splitlines()[0].rstrip('.')})") from error
        if not isinstance(y_B, Tensor) or y_B.ndim < 2 or y_B.shape[0] != x_B.shape[0]:
            shape = tuple(y_B.shape) if isinstance(y_B, Tensor) else f"a {type(y_B).__name__}"
            raise self._stranger(f"{shape} for an input of {tuple(x_B.shape)}")
        if self.shape and tuple(y_B.shape[1:]) != self.shape:
            raise self._stranger(f"outputs of different shapes, {self.shape} and {tuple(y_B.shape[1:])}")
        return y_B.float()

    def _on_maps(self, x_BHWC: Tensor) -> Tensor:
        return to_last(self(from_last(x_BHWC, self.shape_in).contiguous()))

    def _stranger(self, got: str) -> ConfigError:
        mend = "Leave it out and do its work on the outputs, or give it one output (B, ...) for one input (B, ...)."
        where = f'compile_for_inference, {type(self.layer).__name__} "{self.path}"'
        return ConfigError(where, expected="a layer that runs step by step", got=got, mend=mend)
