"""One time step of a stream at batch 1, with the state kept: the latency of inference on a device.

dense2: 2048 -> 2048 -> 2048, each linear and LIF. conv32, conv128: convolutions on 2 x 32 x 32 or 2 x 128 x 128, each
with LIF and 2 x 2 max pooling, then linear 256 and 11. Weights are scaled so that every layer fires about as densely as
the input, 2 or 10 %. At least the weights of what fired and the states cross the memory bus, unless a cache holds them.
Letters: T time, B batch.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.cli.bench.workload import Case, Contender, Least
from ranvier.core.reset import ToValue
from ranvier.neurons import LIF
from ranvier.nn import Sequential
from ranvier.nn.inference import compile_for_inference

NAME = "streaming"
WORDS = "A step of a stream at batch 1"
TAU, FRAMES = 2.0, 32
CASES: tuple[Case, ...] = tuple({"net": n, "density": d} for n in ("dense2", "conv32", "conv128") for d in (0.02, 0.1))
_CONVS = [("conv", 2, 32), ("conv", 32, 64)]
NETS: Mapping[str, tuple[list[tuple[str, int, int]], tuple[int, ...]]] = {
    "dense2": ([("fc", 2048, 2048), ("fc", 2048, 2048)], (2048,)),
    "conv32": ([*_CONVS, ("fc", 64 * 64, 256), ("fc", 256, 11)], (2, 32, 32)),
    "conv128": ([*_CONVS, ("conv", 64, 64), ("fc", 64 * 256, 256), ("fc", 256, 11)], (2, 128, 128)),
}
Step = Callable[[Tensor], Tensor]


def least(case: Case, operation: str) -> Least:  # noqa: ARG001 - there is one operation
    """Return synaptic operations and bytes of a step."""
    _, weights, synops = _drawn(case["net"], case["density"])
    side, neurons = NETS[case["net"]][1][-1], 0
    for w in weights:
        neurons += w.shape[0] * (side * side if w.dim() == 4 else 1)
        side //= 2
    touched = min(synops, sum(w.numel() for w in weights)) + 2 * neurons
    return Least(unit="synaptic operation", count=synops, float_operations=synops, bytes=4 * touched)


def contenders(case: Case) -> Mapping[str, Callable[[], Contender]]:
    """Return ours, event-driven and dense, and plain torch."""
    return {
        "ours": lambda: _contender(case, _events(case, "float32")),
        "ours, int8": lambda: _contender(case, _events(case, "int8"), differs="weights of 8 bits"),
        "ours, dense": lambda: _contender(case, _network(case).eval().stream(batch=1)),
        "torch": lambda: _contender(case, _plain(case)),
        "torch.compile": lambda: _contender(case, _plain(case, compiled=True)),
    }


def _contender(case: Case, step: Step, differs: str = "") -> Contender:
    frames_TB, places = _drawn(case["net"], case["density"])[0], count()

    def run() -> Tensor:
        with torch.inference_mode():
            return step(frames_TB[next(places) % FRAMES])

    def results() -> tuple[Tensor, ...]:
        return (torch.stack([run() for _ in range(2 * FRAMES)])[FRAMES:],)

    return Contender(operations={"step": run}, results=None if differs else results, differs=differs)


def _events(case: Case, weights: Any) -> Step:
    return compile_for_inference(_network(case), weights=weights).stream(batch=1)


def _network(case: Case) -> Sequential:
    neuron, layers = LIF(tau_m=TAU, discretisation="euler", reset=ToValue()), list[Any]()
    for w in _drawn(case["net"], case["density"])[1]:
        if w.dim() == 2 and layers and isinstance(layers[-1], nn.MaxPool2d):
            layers.append(nn.Flatten())
        kind: Any = nn.Linear if w.dim() == 2 else lambda i, o, bias: nn.Conv2d(i, o, 3, padding=1, bias=bias)
        layer = kind(w.shape[1], w.shape[0], bias=False)
        layer.weight.data.copy_(w)
        layers += [layer, neuron, *([nn.MaxPool2d(2)] if w.dim() == 4 else [])]
    return Sequential(*layers)


def _plain(case: Case, *, compiled: bool = False) -> Step:
    frames_TB, weights, _ = _drawn(case["net"], case["density"])

    def net(x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        new = []
        for w, v in zip(weights, states, strict=True):
            current = F.conv2d(x, w, padding=1) if w.dim() == 4 else F.linear(x.flatten(1), w)
            h = v + (current - v) / TAU
            s = (h >= 1).float()
            new.append(h * (1 - s))
            x = F.max_pool2d(s, 2) if w.dim() == 4 else s
        return x, new

    fast: Any = torch.compile(net, dynamic=False) if compiled else net
    side, held = frames_TB.shape[-1], list[Tensor]()
    for w in weights:
        held.append(torch.zeros((1, w.shape[0], side, side) if w.dim() == 4 else (1, w.shape[0])))
        side //= 2

    def step(x: Tensor) -> Tensor:
        nonlocal held
        y, held = fast(x, held)
        return y  # type: ignore[no-any-return] # eager or compiled

    return step


@lru_cache(maxsize=8)
def _drawn(net: str, density: float) -> tuple[Tensor, list[Tensor], float]:
    """Draw frames (T, 1, ...), weights under which all layers fire at a density, and count the operations of a step."""
    generator = torch.Generator().manual_seed(0)
    layers, shape = NETS[net]
    x = (torch.rand(FRAMES, *shape, generator=generator) < density).float()
    frames_TB, weights, synops = x.unsqueeze(1), [], 0.0
    for kind, before, after in layers:
        conv = kind == "conv"
        w = torch.randn(after, before, *((3, 3) if conv else ()), generator=generator)
        x = x if conv else x.flatten(1)
        current = F.conv2d(x, w, padding=1) if conv else F.linear(x, w)
        synops += float(x.sum()) / FRAMES * after * (9 if conv else 1)
        low, high = 1e-4, 1e4
        for _ in range(30):  # the scale that gives the density is found by halving
            middle = (low * high) ** 0.5
            s = _fire(current * middle)
            s = F.max_pool2d(s, 2) if conv else s
            low, high = (low, middle) if s.mean() > density else (middle, high)
        # Halving ends with a membrane on its threshold, where rounding decides: a little more sets it free.
        weights.append(w * (middle * (1 + 1e-4)))
        x = _fire(current * (middle * (1 + 1e-4)))
        x = F.max_pool2d(x, 2) if conv else x
    return frames_TB, weights, synops


def _fire(current_TB: Tensor) -> Tensor:
    v, spikes = torch.zeros_like(current_TB[0]), []
    for current in current_TB:
        h = v + (current - v) / TAU
        s = (h >= 1).float()
        v = h * (1 - s)
        spikes.append(s)
    return torch.stack(spikes)
