"""An ``L2MU`` that touches only the weights of neurons that fired. Axes: T time, B batch, X inputs, N hidden."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.kernels.sparse.native import absence
from ranvier.kernels.sparse.sizes import from_last, sizes_of, to_last
from ranvier.kernels.sparse.stages import Foreign, Linear
from ranvier.kernels.sparse.weights import Precision
from ranvier.nn.inference.frames import as_input
from ranvier.nn.inference.lowering import Lowering, check, check_precision, with_crossover
from ranvier.nn.inference.runner import Runner
from ranvier.nn.inference.stream import EventStream
from ranvier.nn.lmu import L2MU
from ranvier.nn.sequential import Sequential

_PARTS = {"u": "encode", "m": "memory", "h": "hidden"}


class EventL2MU:
    """A trained ``L2MU`` in event-driven form, with explicit state.

        fast = EventL2MU(unit, weights="int8")
        h_TBN, state = fast.run(x_TBX)               # from rest
        h_TBN, state = fast.run(x_TBX, state)        # goes on
        stream = fast.stream(batch=1); h_BN = stream(x_BX)

    ``compile_for_inference`` takes it as a layer of a network, and then does this with it. Each population is one
    product over the concatenation of all that it hears (each channel of the memory over its own), thresholds merged
    into the weights, and its neurons; only rows of what fired are read. States are those of ``L2MU``, so one may take
    over from the other.

    Args: unit: in float32 and in main memory; later changes do not reach this one. weights: as they are stored.
    Precision: sums are those of ``compile_for_inference``: float32, in the order of the inputs; merged thresholds
        differ from the unit's products by rounding, which may move a spike at its threshold. int8 weights err by half a
        step of 1/127 of the largest weight of their output.
    Raises: ConfigError, DtypeError, NonFiniteError.
    """

    def __init__(self, unit: L2MU, *, weights: Precision = "float32") -> None:
        if not isinstance(unit, L2MU):
            raise ConfigError("EventL2MU", expected="an L2MU", got=f"a {type(unit).__name__}")
        self.unit = deepcopy(unit).eval().requires_grad_(False)
        check_precision("EventL2MU.weights", weights)
        self.parts = {name: _Population(self.unit, name, weights) for name in _PARTS}

    @torch.no_grad()
    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run inputs (T, B, X) from an ``L2MU.State``, None for rest; returns spikes (T, B, N) and the new state.

        Raises: ShapeError, StateError.
        """
        self.unit.check_input(x_TB, state)
        stream = self.stream(batch=x_TB.shape[1])
        stream.state = state
        return torch.stack([stream(x_B) for x_B in x_TB]), stream.state

    def stream(self, *, batch: int = 1) -> "L2MUStream":
        """Start a stream at rest; its state is private and updated in place."""
        return L2MUStream(self, batch=batch)


class L2MUStream:
    """An ``EventL2MU`` and the state it is in: ``h_BN = stream(x_BX)`` advances by one step."""

    def __init__(self, net: EventL2MU, *, batch: int) -> None:
        unit = self._unit = net.unit
        # All channels remember by the same small matrix: each is a stream of its own through it.
        batches = {"u": batch, "m": batch * unit.channels, "h": batch}
        self._streams = {name: EventStream(part, batch=batches[name]) for name, part in net.parts.items()}
        self._heard = torch.zeros(batch, unit.inputs + unit.size + unit.channels * unit.order)  # x, h, m
        self._driven = torch.zeros(batch, unit.channels, 1 + unit.order)  # u, m of each channel
        ends = unit.inputs, unit.inputs + unit.size
        self._x, self._h = self._heard[:, : ends[0]], self._heard[:, ends[0] : ends[1]]
        self._m_heard = torch.unflatten(self._heard[:, ends[1] :], 1, (unit.channels, unit.order))
        self._u, self._m = self._driven[..., 0], self._driven[..., 1:]
        self.state = None

    @torch.no_grad()
    def __call__(self, x_B: Tensor) -> Tensor:
        """Advance by one step: (B, X) to spikes (B, N). Raises: ShapeError, NonFiniteError."""
        self._unit.check_input(x_B.unsqueeze(0), None)
        self._x.copy_(as_input(x_B))
        self._u.copy_(self._streams["u"](self._heard))
        self._m.copy_(self._streams["m"](self._driven.flatten(0, 1)).view_as(self._m))
        if self._unit.remembers:
            self._m_heard.copy_(self._m)
        h_BN = self._streams["h"](self._heard)
        self._h.copy_(h_BN)
        return h_BN

    @property
    def state(self) -> Any:
        """A copy of the state, an ``L2MU.State``. Assigning continues there; None is rest."""
        batch = len(self._heard)
        membranes = [_membrane(self._streams[name]).view(batch, -1) for name in _PARTS]
        return L2MU.State(self._m.flatten(1).clone(), self._h.clone(), *membranes)

    @state.setter
    @torch.no_grad()
    def state(self, state: Any) -> None:
        batch = len(self._heard)
        x_TB = torch.zeros(1, batch, self._unit.inputs)
        self._unit.check_input(x_TB, state)
        state = state or L2MU.State(*(torch.zeros(shape) for shape in self._unit.state_shapes(x_TB)))
        self._m.copy_(state.m.view_as(self._m))
        self._m_heard.copy_(self._m if self._unit.remembers else torch.zeros_like(self._m))
        self._h.copy_(state.h)
        for name, v in zip(_PARTS, state[2:], strict=True):
            layer = self._unit.population(name)
            self._streams[name].state = {"neurons": layer.state_type(v.reshape(self._streams[name].batch, -1))}

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, scales and biases, without padding; 0 before the first step."""
        return sum(stream.weight_bytes for stream in self._streams.values())


class Populations:
    """An ``L2MU`` as a layer of a compiled network, with its state inside; see ``outside.Stranger``.

    Args: path: its path in the network. shape: of its input, without batch. weights: as they are stored.
    Raises: ShapeError if the input is not the unit's.
    """

    def __init__(self, path: str, unit: L2MU, shape: tuple[int, ...], weights: Precision) -> None:
        unit.check_input(torch.zeros(1, 1, *shape), None)
        self.path, self.shape = path, (unit.size,)
        self._shape_in, self._net = shape, EventL2MU(unit, weights=weights)
        self._stream: L2MUStream | None = None
        self._waiting: Any = None  # a state given before the first step, whose batch decides

    def stage(self) -> Foreign:
        """Make its stage."""
        return Foreign(sizes=sizes_of(self.shape), call=self._on_maps, form="populations")

    def give(self) -> dict[str, Any]:
        """Return {its path: an ``L2MU.State``}, or nothing at rest before the first step."""
        state = self._waiting if self._stream is None else self._stream.state
        return {} if state is None else {self.path: state}

    def take(self, state: Mapping[str, Any]) -> None:
        """Continue from its state; none is rest. Raises: StateError, here or, before a first step, at that step."""
        self._waiting = state.get(self.path)
        if self._stream is not None:
            self._stream.state = self._waiting

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, scales and biases, without padding; 0 before the first step."""
        return 0 if self._stream is None else self._stream.weight_bytes

    def _on_maps(self, x_BHWC: Tensor) -> Tensor:
        x_BX = from_last(x_BHWC, self._shape_in)
        if self._stream is None:
            self._stream = self._net.stream(batch=len(x_BX))
            self._stream.state = self._waiting
        return to_last(self._stream(x_BX))


class _Population:
    """One population: a product over all that it hears, then its neurons; makes the runners of its streams."""

    def __init__(self, unit: L2MU, name: str, weights: Precision) -> None:
        self._layers, self._weights = check(_chain(unit, name).requires_grad_(False)), weights

    def make_runner(self, shape: torch.Size) -> Runner:
        """Lower it for frames (B, N) of that shape."""
        of_frame = tuple(shape[1:])
        layers = [
            with_crossover(layer, 1.0) if isinstance(layer.stage, Linear) else layer
            for layer in Lowering(self._layers, of_frame, self._weights).run()
        ]
        return Runner(layers, (), shape[0], of_frame, frozenset({"neurons"}), compiled=absence() is None)


def _membrane(stream: EventStream) -> Tensor:
    state = stream.state
    assert state is not None  # a stream of this file always has one
    v: Tensor = state["neurons"].v
    return v.clone()


def _chain(unit: L2MU, name: str) -> Sequential:
    """Make a population a plain chain: currents in units of the threshold, then the neurons."""
    linear = unit.get_submodule(_PARTS[name])
    assert isinstance(linear, nn.Linear)
    gain = (-unit.log_thresholds[list(_PARTS).index(name)]).exp()
    merged = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")  # draws no weights
    merged.weight = nn.Parameter((gain * linear.weight).detach())
    return Sequential({"product": merged, "neurons": unit.population(name)})
