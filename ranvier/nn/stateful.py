"""Layers with a state, and running a network from a state to the next. Axes: T time, B batch.

No layer remembers anything. Calling a network starts every layer from rest. ``run`` carries states: while it calls
the network, a carrier (a context variable, so one for each thread and task) hands each stateful layer its state and
takes the new one back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import StateError, UnknownNameError
from ranvier.nn.inputs import check_sequence


class TimeAware(nn.Module):
    """A module that is called with time: its input is (T, B, ...), not the (B, ...) of plain torch layers.

    A mark, nothing more. A module that holds a time-aware one anywhere inside is called with time too.
    """


class Stateful(TimeAware, ABC):
    """A layer whose output depends on what it saw before.

    Its state is a flat named tuple of tensors whose first axis is the batch. A subclass says which (``state_type``)
    and how a sequence changes it (``run``, which begins with ``self.check(x_TB, state)``).
    """

    @property
    @abstractmethod
    def state_type(self) -> Any:
        """The type of the state: a NamedTuple of tensors (B, ...)."""

    @abstractmethod
    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run a sequence from a state.

        Args: x_TB: (T, B, ...). state: of ``state_type``; None is rest.
        Returns: the output (T, B, ...) and the state after the last step.
        Raises: ShapeError, DtypeError, StateError.
        """

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """Return the shape of each tensor of the state for an input: that of a time step, unless overridden."""
        return (x_TB.shape[1:],) * len(self.state_type._fields)

    def title(self) -> str:
        """Name the layer in errors."""
        return type(self).__name__

    def check(self, x_TB: Tensor, state: Any) -> None:
        """Refuse an input that is no sequence and a state that does not fit it.

        Raises: ShapeError, DtypeError, StateError.
        """
        check_sequence(self.title(), x_TB)
        if state is None:
            return
        mend = "None starts from rest."
        if type(state) is not self.state_type:
            fields = ", ".join(self.state_type._fields)
            expected, got = f"a state with the fields ({fields})", f"a {type(state).__name__}"
            raise StateError(self.title(), expected=expected, got=got, mend=mend)
        for name, value, shape in zip(state._fields, state, self.state_shapes(x_TB), strict=True):
            help_ = mend
            if not isinstance(value, Tensor):
                expected, got = f"state.{name} to be a tensor", f"a {type(value).__name__}"
            elif value.shape != shape:
                expected, got = f"state.{name} of shape {tuple(shape)} for this input", str(tuple(value.shape))
            elif value.device != x_TB.device:
                expected, got = f"state.{name} on {x_TB.device}, as the input", str(value.device)
                help_ = "Move the state to the input's device, as Stream.to does."
            else:
                continue
            raise StateError(self.title(), expected=expected, got=got, mend=help_)

    def forward(self, x_TB: Tensor) -> Tensor:
        """Run from rest; inside ``ranvier.nn.run``, from the state that is carried for this layer."""
        return carried(self, lambda state: self.run(x_TB, state))


Running = Callable[[Any], tuple[Tensor, Any]]  # from a state, or None for rest, to the output and the new state


def carried(layer: Stateful, run: Running) -> Tensor:
    """Run a layer from rest; inside ``ranvier.nn.run``, from the state that is carried for it."""
    # A compiled network starts from rest always: its graph has no place for a context variable.
    carrier = None if torch.compiler.is_compiling() else _CARRIER.get()
    return run(None)[0] if carrier is None else carrier.carry(layer, run)


class _Carrier:
    """Hands states to the layers of one network and takes the new ones, during one call of it."""

    def __init__(self, net: nn.Module, given: Mapping[str, Any] | None) -> None:
        self.paths = paths_of(net)
        self.given = given
        self.left: dict[str, Any] = {}

    def carry(self, layer: Stateful, run: Running) -> Tensor:
        path = self.paths.get(layer)
        if path is None:
            got = "one that is no submodule of it"
            mend = "Hold it as an attribute of the network, so that its state has a name."
            raise StateError(layer.title(), expected="a layer of the network that is run", got=got, mend=mend)
        where = f'{layer.title()} "{path}"'
        if path in self.left:
            mend = "Build one layer for each call: two calls cannot share a state."
            raise StateError(where, expected="one call a run", got="a second one", mend=mend)
        if self.given is not None and path not in self.given:
            raise _missing(where, self.given)
        try:
            y_TB, self.left[path] = run(None if self.given is None else self.given[path])
        except StateError as error:
            if '"' in error.where:  # a layer inside this one has said its name already
                raise
            raise StateError(where, expected=error.expected, got=error.got, mend=error.mend) from error.__cause__
        return y_TB


_CARRIER: ContextVar[_Carrier | None] = ContextVar("ranvier.nn carrier", default=None)


def require_start(where: str, *, mend: str) -> None:
    """Refuse to take part in a run that goes on from an earlier one: for layers that need whole sequences.

    Raises: StateError.
    """
    carrier = None if torch.compiler.is_compiling() else _CARRIER.get()
    if carrier is not None and carrier.given is not None:
        expected, got = "a run from the start", "one that goes on from a state"
        raise StateError(where, expected=expected, got=got, mend=mend)


def run(net: nn.Module, x_TB: Tensor, state: Mapping[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
    """Run any network from a state to the next.

    ``y1, s = run(net, x[:5]); y2, s = run(net, x[5:], s)`` gives what ``net(x)`` gives, cut in two.

    Args:
        net: a module that calls each of its stateful layers once. Not compiled, and without activation
            checkpointing: a graph that is replayed later would start from rest.
        x_TB: (T, B, ...). state: {path of a layer in ``net``: its state}; None is rest.
    Returns: the output and the new state. Gradients flow through both; detach the state to cut them.
    Raises: StateError that names the layer, if the state does not fit or a stateful layer was not, or twice, called.
    """
    carrier = _Carrier(net, state)
    required = [path for layer, path in carrier.paths.items() if not _inside_stateful(path, carrier.paths)]
    if state is not None:
        check_paths(type(net).__name__, state, required, carrier.paths.values())
    token = _CARRIER.set(carrier)
    try:
        y_TB = net(x_TB)
    finally:
        _CARRIER.reset(token)
    silent = [path for path in required if path not in carrier.left]
    if silent:
        raise _silent(net, silent)
    return y_TB, carrier.left


def paths_of(net: nn.Module) -> dict[Stateful, str]:
    """List the stateful layers of a network with their paths; that of the network itself is "" ."""
    return {module: path for path, module in net.named_modules() if isinstance(module, Stateful)}


def check_paths(where: str, state: Any, required: Any, known: Any) -> None:
    """Refuse a state that is no mapping, lacks a layer, or names one that the network does not have."""
    if not isinstance(state, Mapping):
        mend = "None starts all from rest."
        raise StateError(where, expected="{path of a layer: its state}", got=f"a {type(state).__name__}", mend=mend)
    for path in state:
        if path not in known:
            raise StateError(where, expected="states of its own layers", got=_near(path, known))
    for path in required:
        if path not in state:
            raise _missing(f'{where} "{path}"', state)


def is_compiled(net: nn.Module) -> bool:
    """Tell whether a network, or a part of it, was compiled by ``torch.compile``."""
    return any(hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) for m in net.modules())


def _near(path: str, known: Any) -> str:
    near = UnknownNameError.among("", path, known).mend
    return f"one for {path!r}" + (f" ({near.rstrip('?').replace('Did you mean', 'did you mean')}?)" if near else "")


def _missing(where: str, state: Mapping[str, Any]) -> StateError:
    got = f"states for {', '.join(map(repr, state)) or 'none'}"
    return StateError(where, expected="a state for this layer", got=got, mend="state=None starts all from rest.")


def _inside_stateful(path: str, paths: Mapping[Stateful, str]) -> bool:
    """Tell whether a stateful layer holds this one: it may then run it itself, as part of its own state."""
    owners = set(paths.values()) - {path}
    parts = path.split(".") if path else []
    return any(".".join(parts[:n]) in owners for n in range(len(parts)))


def _silent(net: nn.Module, silent: list[str]) -> StateError:
    got = f"no call of {', '.join(map(repr, silent[:5]))}{' ...' if len(silent) > 5 else ''}"
    if is_compiled(net):
        mend = "A compiled network always starts from rest: run or stream the network that was compiled instead."
    else:
        mend = "Take layers out that are never called; do not call them in another thread or a compiled function."
    return StateError(type(net).__name__, expected="every stateful layer to give its state", got=got, mend=mend)
