"""Compiling a trained network to an event-driven one. Axes: T time, B batch."""

import threading
import weakref
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError, UnknownNameError
from ranvier.kernels.sparse.native import absence
from ranvier.kernels.sparse.stages import Convolution, Linear
from ranvier.kernels.sparse.weights import Precision
from ranvier.nn.inference.crossover import measure
from ranvier.nn.inference.explanation import Report, report
from ranvier.nn.inference.frames import WHERE, as_frames, check_frame
from ranvier.nn.inference.layers import Layer
from ranvier.nn.inference.lowering import Lowering, check, check_precision, with_crossover
from ranvier.nn.inference.populations import Populations
from ranvier.nn.inference.runner import Runner
from ranvier.nn.inference.stream import EventStream
from ranvier.nn.lmu import L2MU
from ranvier.nn.stateful import paths_of


def compile_for_inference(
    net: nn.Module, *, weights: Precision = "float32", crossover: float | Mapping[str, float] | None = None
) -> "EventDriven":
    """Compile a trained network to one that touches only the weights of neurons that fired.

        fast = ranvier.compile_for_inference(net)      # net: a ranvier.nn.Sequential, trained
        out_BK, state = fast(frame_BCHW)               # one time step from rest; the state is a value
        out_BK, state = fast(frame_BCHW, state)        # the next
        stream = fast.stream(batch=1)                  # holds the state, works in place: the fastest way
        out_BK = stream(frame_BCHW)
        print(fast.explain())                          # layer by layer: form, density, crossover, operations

    Spikes go from layer to layer as lists. Linear layers, convolutions (stride, padding, dilation, groups, depthwise,
    transposed; 1d and 2d), pools, ``Spiking``, ``Recurrent``, ``Delay`` and ``L2MU`` have event-driven forms; norms
    after a product are merged into it, dropout is dropped. Any other layer runs as it is, on dense frames, and
    ``explain`` says why. A product whose input is denser than its crossover runs dense, by torch, in that step.

    The first frame may hold any finite numbers, such as counts: each adds value times row.

    Args:
        net: a ``Sequential`` (ours or torch's), or one layer; in float32 and in main memory. Later changes of its
            weights do not reach the compiled network.
        weights: as they are stored: "bfloat16" halves what is read, "int8", with a scale for each output, quarters it.
        crossover: density above which products run dense: one for all, or {path: density}; what is not given is
            measured at the first frame of a shape. 1.0 is never, 0.0 always (but for silent inputs).
    Raises: ConfigError, DtypeError, NonFiniteError that name the layer.
    Precision: all sums are float32, rounded in the order of the input's places (row, column, channel), so event-driven
        steps give the same bits on any processor and with any number of threads. Dense products add in another order
        and differ by rounding, about 1e-6 relative, as do merged norms.
    """
    check_precision("compile_for_inference.weights", weights)
    named = check(net)
    given = crossover if isinstance(crossover, Mapping) else {}
    for path, value in given.items():
        if path not in dict(named):
            raise UnknownNameError.among("compile_for_inference.crossover", path, dict(named), kind="layer")
        _check_density(f'compile_for_inference.crossover["{path}"]', value)
    if crossover is not None and not isinstance(crossover, Mapping):
        _check_density("compile_for_inference.crossover", crossover)
    return EventDriven(net, weights=weights, crossover=crossover)


def _check_density(where: str, value: Any) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(where, expected="a density from 0 to 1", got=repr(value))


class EventDriven:
    """A compiled network; ``compile_for_inference`` makes it and says what it does."""

    def __init__(self, net: nn.Module, *, weights: Precision, crossover: float | Mapping[str, float] | None) -> None:
        frozen = deepcopy(net).eval().requires_grad_(False)
        self._named = check(frozen)
        self._known = frozenset(paths_of(frozen).values())
        self.weights: Precision = weights
        self._crossover = crossover
        self._lowered: dict[tuple[int, ...], list[Layer]] = {}
        self._measured: dict[tuple[str, tuple[int, ...]], float] = {}
        self._runners: dict[tuple[int, ...], Runner] = {}
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self._lock = threading.Lock()

    def __call__(self, frame_B: Tensor, state: Mapping[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Run one time step.

        Args: frame_B: (B, ...), numbers of any type. state: {path of a layer: its state}, as ``ranvier.nn.Stream``
            has it; None is rest. It stays as it was.
        Returns: the output (B, ...) in float32, and the new state.
        Raises: ShapeError, DtypeError, StateError, NonFiniteError.
        """
        out_TB, state = self.run(check_frame(frame_B).unsqueeze(0), state)
        return out_TB[0], state

    def run(self, x_TB: Tensor, state: Mapping[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Run a sequence (T, B, ...) from a state; returns the outputs (T, B, ...) and the state after the last."""
        if x_TB.ndim < 3 or x_TB.shape[0] < 1:
            raise ShapeError(WHERE, expected="an input (T, B, ...) with T >= 1", got=str(tuple(x_TB.shape)))
        frames = as_frames(x_TB)
        with self._lock:
            runner = self._runner(x_TB.shape[1:])
            runner.load(state)
            outputs = [runner.step(frame) for frame in frames]
            return torch.stack(outputs), runner.state()

    def stream(self, *, batch: int = 1) -> EventStream:
        """Start a stream at rest for a batch of that size; its states are private and updated in place."""
        stream = EventStream(self, batch=batch)
        self._streams.add(stream)
        return stream

    def explain(self) -> Report:
        """Say how each layer ran, over all steps so far of this network and of its streams that are still there.

        Before the first frame only what needs no shape is known: call the network first.
        """
        runners = [*self._runners.values(), *(s.runner for s in list(self._streams) if s.runner is not None)]
        if not runners:
            mend = "Call it on a frame first: the shape of the frames decides."
            raise ConfigError(f"{WHERE}, explain", expected="at least one step", got="none", mend=mend)
        return report(runners[-1].layers, [r.counts() for r in runners], "C++" if absence() is None else "plain torch")

    @property
    def crossovers(self) -> dict[str, float]:
        """The crossovers in use, {path: density}, of the latest shape; given as ``crossover`` they repeat its bits."""
        return {path: value for (path, _), value in self._measured.items()}

    def make_runner(self, shape: torch.Size) -> Runner:
        """Lower the layers for frames (B, ...) of that shape."""
        batch, of_frame = shape[0], tuple(shape[1:])
        if batch < 1 or not of_frame or 0 in of_frame:
            raise ShapeError(WHERE, expected="a frame (B, ...) with elements", got=str(tuple(shape)))
        compiled = absence() is None
        lowering = Lowering(self._named, of_frame, self.weights, forms={L2MU: Populations})
        layers = []
        before = of_frame
        for layer in lowering.run():
            stage = layer.stage
            if isinstance(stage, Linear | Convolution):
                key = (layer.path, shape)
                if key not in self._measured:
                    given = self._given(layer.path)
                    self._measured[key] = measure(stage, batch, before, compiled=compiled) if given is None else given
                layer = with_crossover(layer, self._measured[key])
            layers.append(layer)
            before = layer.shape
        return Runner(layers, lowering.outsiders, batch, of_frame, self._known, compiled=compiled)

    def _given(self, path: str) -> float | None:
        if isinstance(self._crossover, Mapping):
            return self._crossover.get(path)
        return self._crossover

    def _runner(self, shape: torch.Size) -> Runner:
        if shape not in self._runners:
            self._runners[shape] = self.make_runner(shape)
        return self._runners[shape]
