"""Streaming: a network fed frame by frame, with a state you hold. Axes: T time, B batch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, FormatError, RunError, ShapeError, StateError
from ranvier.nn.stateful import check_paths, is_compiled, paths_of, run

_FORMAT = "ranvier stream 1"


class Stream:
    """A network and the state it is in, for a batch of independent streams.

    ``y_B = stream(frame_B)`` advances by one step; the results are those of the whole sequence at once. The network
    itself stays as it was. States are detached: a stream does not train.

    Args: net: any module that keeps time, such as ``Sequential``. batch: number of parallel streams.
    """

    def __init__(self, net: nn.Module, *, batch: int) -> None:
        if batch < 1:
            raise ConfigError("Stream.batch", expected="at least 1", got=str(batch))
        if is_compiled(net):
            mend = "Stream the network that was compiled: a compiled one always starts from rest."
            raise ConfigError("Stream", expected="a network as it was built", got="a compiled one", mend=mend)
        self.net, self.batch = net, batch
        self._state: dict[str, Any] | None = None

    def __call__(self, frame_B: Tensor) -> Tensor:
        """Advance by one step.

        Args: frame_B: (B, ...), one time step.
        Returns: (B, ...).
        Raises: ShapeError if the batch differs; what the network raises, with the state left as it was.
        """
        return self.run(frame_B.unsqueeze(0))[0]

    def run(self, x_TB: Tensor) -> Tensor:
        """Advance by a chunk of steps: (T, B, ...) -> (T, B, ...)."""
        if x_TB.ndim < 2 or x_TB.shape[1] != self.batch:
            expected = f"a batch of {self.batch}"
            raise ShapeError("Stream", expected=expected, got=f"an input of (T, B, ...) = {tuple(x_TB.shape)}")
        y_TB, state = run(self.net, x_TB, self._state)
        if y_TB.shape[:2] != x_TB.shape[:2]:
            expected = f"an output (T, B, ...) = ({x_TB.shape[0]}, {x_TB.shape[1]}, ...)"
            mend = "Leave out what sums up over time; do that outside the network."
            raise ShapeError("Stream", expected=expected, got=str(tuple(y_TB.shape)), mend=mend)
        self._state = _map(state, Tensor.detach)
        return y_TB

    @property
    def state(self) -> dict[str, Any] | None:
        """The state, {path of a layer: its state}; None at rest. Assigning one continues from there."""
        return None if self._state is None else dict(self._state)

    @state.setter
    def state(self, state: Mapping[str, Any] | None) -> None:
        if state is None:
            self._state = None
            return
        paths = paths_of(self.net)
        check_paths("Stream", state, (), paths.values())
        kinds = {path: layer.state_type for layer, path in paths.items()}
        for path, own in state.items():
            if type(own) is not kinds[path]:
                expected = f"a state with the fields ({', '.join(kinds[path]._fields)})"
                raise StateError(f'Stream "{path}"', expected=expected, got=f"a {type(own).__name__}")
            for name, value in zip(own._fields, own, strict=True):
                if value.ndim < 1 or value.shape[0] != self.batch:
                    expected = f"{name} of a batch of {self.batch}"
                    raise StateError(f'Stream "{path}"', expected=expected, got=str(tuple(value.shape)))
        self._state = _map(state, Tensor.detach)

    def reset(self) -> None:
        """Go back to rest."""
        self._state = None

    def to(self, device: torch.device | str) -> "Stream":
        """Move the state (not the network, which may serve others) to a device; returns this stream."""
        if self._state is not None:
            self._state = _map(self._state, lambda value: value.to(device))
        return self

    def select(self, indices: Sequence[int] | Tensor | slice) -> "Stream":
        """Make a stream of some of these streams, in the order of ``indices``; this one stays as it is.

        Args: indices: places in the batch, a mask of truth values, or a slice.
        """
        wanted = indices if isinstance(indices, slice) else torch.as_tensor(indices, device="cpu")
        try:
            places = torch.arange(self.batch)[wanted]
        except IndexError:
            places = torch.empty(0)
        if not places.numel():
            expected = f"at least one place, all among 0 to {self.batch - 1}"
            raise ConfigError("Stream.select", expected=expected, got=str(indices))
        chosen = Stream(self.net, batch=len(places))
        if self._state is not None:
            chosen._state = _map(self._state, lambda value: value[places.to(value.device)])
        return chosen

    def save(self, path: Path | str) -> None:
        """Write the state to a safetensors file: one tensor a state variable, named "layer.variable"."""
        tensors = {
            f"{name}.{field}".lstrip("."): value.contiguous()
            for name, own in (self._state or {}).items()
            for field, value in zip(own._fields, own, strict=True)
        }
        about = {"format": _FORMAT, "batch": str(self.batch), "rest": str(self._state is None)}
        target = Path(path)
        half = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            save_file(tensors, half, metadata=about)
            half.replace(target)
        except (SafetensorError, OSError) as error:
            raise RunError(str(path), expected="a place that can be written", got=str(error)) from error
        finally:
            half.unlink(missing_ok=True)

    def load(self, path: Path | str) -> None:
        """Continue from a file that ``save`` wrote, of the same network and batch.

        Raises: FormatError if it is no such file; StateError if it does not fit. The state is then left as it was.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except SafetensorError as error:
            raise FormatError(str(path), expected="a safetensors file", got=str(error)) from error
        if about.get("format") != _FORMAT:
            raise FormatError(str(path), expected=f"the state of a stream ({_FORMAT!r})", got=str(about.get("format")))
        if about.get("batch") != str(self.batch):
            got = f"one of {about.get('batch')}"
            raise StateError(str(path), expected=f"a batch of {self.batch}", got=got)
        self.state = None if about.get("rest") == "True" else self._rebuild(str(path), tensors)

    def _rebuild(self, where: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
        flat: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            path, _, field = name.rpartition(".")
            flat.setdefault(path, {})[field] = value
        kinds = {path: layer.state_type for layer, path in paths_of(self.net).items()}
        check_paths(where, flat, (), kinds)
        state = {}
        for path, fields in flat.items():
            if set(fields) != set(kinds[path]._fields):
                expected = f"the fields ({', '.join(kinds[path]._fields)})"
                raise StateError(f'{where} "{path}"', expected=expected, got=f"({', '.join(sorted(fields))})")
            state[path] = kinds[path](**fields)
        return state


def _map(state: Mapping[str, Any], change: Any) -> dict[str, Any]:
    return {path: type(own)(*(change(value) for value in own)) for path, own in state.items()}
