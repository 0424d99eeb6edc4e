"""An ``L2MU`` that touches only the weights of neurons that fired. Axes: T time, B batch, X inputs, N hidden."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.kernels.sparse.stages import Linear
from ranvier.kernels.sparse.weights import Precision
from ranvier.nn.inference.compile import as_input, compile_for_inference
from ranvier.nn.inference.stream import EventStream
from ranvier.nn.lmu import L2MU
from ranvier.nn.sequential import Sequential

_PARTS = {"u": "encode", "m": "memory", "h": "hidden"}


class EventL2MU:
    """A trained ``L2MU`` in event-driven form, with explicit state; layers beside it go to ``compile_for_inference``.

        fast = EventL2MU(unit, weights="int8")
        h_TBN, state = fast.run(x_TBX)               # from rest
        h_TBN, state = fast.run(x_TBX, state)        # goes on
        stream = fast.stream(batch=1); h_BN = stream(x_BX)

    Each population is one product over the concatenation of all that it hears, thresholds merged into the weights, and
    its neurons; only rows of what fired are read. States are those of ``L2MU``, so one may take over from the other.

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
        self.parts = {
            name: compile_for_inference(_chain(self.unit, name), weights=weights, crossover=1.0) for name in _PARTS
        }

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
        self._streams = {name: part.stream(batch=batch) for name, part in net.parts.items()}
        width = unit.channels * unit.order
        self._heard = torch.zeros(batch, unit.inputs + unit.size + width)  # x, h, m
        self._driven = torch.zeros(batch, unit.channels + width)  # u, m
        ends = unit.inputs, unit.inputs + unit.size
        self._x, self._h = self._heard[:, : ends[0]], self._heard[:, ends[0] : ends[1]]
        self._m_heard = self._heard[:, ends[1] :]
        self._u, self._m = self._driven[:, : unit.channels], self._driven[:, unit.channels :]
        self.state = None

    @torch.no_grad()
    def __call__(self, x_B: Tensor) -> Tensor:
        """Advance by one step: (B, X) to spikes (B, N). Raises: ShapeError, NonFiniteError."""
        self._unit.check_input(x_B.unsqueeze(0), None)
        self._x.copy_(as_input(x_B))
        self._u.copy_(self._streams["u"](self._heard))
        self._m.copy_(self._streams["m"](self._driven))
        if self._unit.remembers:
            self._m_heard.copy_(self._m)
        h_BN = self._streams["h"](self._heard)
        self._h.copy_(h_BN)
        return h_BN

    @property
    def state(self) -> Any:
        """A copy of the state, an ``L2MU.State``. Assigning continues there; None is rest."""
        membranes = [_membrane(self._streams[name]) for name in _PARTS]
        return L2MU.State(self._m.clone(), self._h.clone(), *membranes)

    @state.setter
    @torch.no_grad()
    def state(self, state: Any) -> None:
        batch = len(self._heard)
        x_TB = torch.zeros(1, batch, self._unit.inputs)
        self._unit.check_input(x_TB, state)
        state = state or L2MU.State(*(torch.zeros(shape) for shape in self._unit.state_shapes(x_TB)))
        self._m.copy_(state.m)
        self._m_heard.copy_(self._m if self._unit.remembers else torch.zeros_like(self._m))
        self._h.copy_(state.h)
        for name, v in zip(_PARTS, state[2:], strict=True):
            layer = self._unit.population(name)
            self._streams[name].state = {"neurons": layer.state_type(v)}

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights and their scales in use; known after the first step."""
        return sum(stream_bytes(stream) for stream in self._streams.values())


def stream_bytes(stream: EventStream) -> int:
    """Count the bytes of the linear layers' weights, scales and biases, without padding; 0 before the first step."""
    layers = [] if stream.runner is None else [x.stage for x in stream.runner.staged if isinstance(x.stage, Linear)]
    total = 0
    for stage in layers:
        rows, outputs = stage.rows, stage.sizes.total
        total += rows.data[:, :outputs].numel() * rows.data.element_size()
        total += 4 * outputs * ((rows.scale is not None) + (rows.bias is not None))
    return total


def _membrane(stream: EventStream) -> Tensor:
    state = stream.state
    assert state is not None  # a stream of this file always has one
    v: Tensor = state["neurons"].v
    return v.clone()


def _chain(unit: L2MU, name: str) -> Sequential:
    """Make a population a plain chain: currents in units of the threshold, then the neurons."""
    linear = unit.get_submodule(_PARTS[name])
    assert isinstance(linear, nn.Linear)
    merged = nn.Linear(linear.in_features, linear.out_features, bias=False)
    gain = (-unit.log_thresholds[list(_PARTS).index(name)]).exp()
    with torch.no_grad():
        merged.weight.copy_(gain * linear.weight)
    return Sequential({"product": merged, "neurons": unit.population(name)})
