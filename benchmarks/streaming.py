"""Streaming inference at batch 1: the time of one step, event-driven beside plain torch.

Run: python benchmarks/streaming.py [--threads 2] [--rounds 15] [--json FILE] [--only conv32] [--cpu-time]

    dense2     2048 -> 2048 -> 2048, each linear + LIF
    conv32     2x32x32:   conv3x3 32, pool, conv3x3 64, pool, linear 256, linear 11
    conv128    2x128x128: conv3x3 32, pool, conv3x3 64, pool, conv3x3 64, pool, linear 256, linear 11

All layers have LIF neurons; pools are 2x2 maxima, so that signals stay binary. Weights are scaled so that every layer
fires about as densely as the input (2 or 10 %). Contenders take turns, so that a noisy neighbour hits all of them;
medians are printed, in microseconds a step, with the bytes that a step must touch over the copy bandwidth measured in
the same run: rows of weights of what fired, and the neurons' states in and out. Axes: T time, B batch.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ranvier as rv

CASES: list[dict[str, Any]] = [{"net": n, "density": d} for n in ("dense2", "conv32", "conv128") for d in (0.02, 0.1)]
TAU, FRAMES = 2.0, 32
TARGETS = {("dense2", 0.02): 30, ("dense2", 0.1): 90, ("conv32", 0.02): 40, ("conv32", 0.1): 70,
           ("conv128", 0.02): 450, ("conv128", 0.1): 750}  # us, on a machine with 2 cores of 2 MB second cache  # fmt: skip

Plan = list[tuple[str, int, int]]
Step = Callable[[Tensor], Tensor]


def plan(net: str) -> tuple[Plan, tuple[int, ...]]:
    """The layers as (kind, in, out), and the shape of a frame."""
    if net == "dense2":
        return [("fc", 2048, 2048), ("fc", 2048, 2048)], (2048,)
    if net == "conv32":
        return [("conv", 2, 32), ("conv", 32, 64), ("fc", 64 * 64, 256), ("fc", 256, 11)], (2, 32, 32)
    convs = [("conv", 2, 32), ("conv", 32, 64), ("conv", 64, 64)]
    return [*convs, ("fc", 64 * 256, 256), ("fc", 256, 11)], (2, 128, 128)


def fire(current_TB: Tensor, scale: float) -> Tensor:
    """Leaky integrate-and-fire neurons, reset to 0, as plain torch."""
    v, out = torch.zeros_like(current_TB[0]), []
    for current in current_TB:
        h = v + (current * scale - v) / TAU
        s = (h >= 1).float()
        v = h * (1 - s)
        out.append(s)
    return torch.stack(out)


def frames_and_weights(case: dict[str, Any]) -> tuple[Tensor, list[Tensor], dict[str, float]]:
    """Frames (FRAMES, 1, ...), weights under which all layers fire at the case's density, and their synaptic operations."""
    g = torch.Generator().manual_seed(0)
    layers, shape = plan(case["net"])
    x = (torch.rand(FRAMES, *shape, generator=g) < case["density"]).float()
    frames, weights, info = x.unsqueeze(1), [], {"synops": 0.0, "dense_macs": 0.0}
    for kind, i, o in layers:
        conv = kind == "conv"
        w = torch.randn(o, i, *((3, 3) if conv else ()), generator=g)
        x = x if conv else x.flatten(1)
        current = F.conv2d(x, w, padding=1) if conv else F.linear(x, w)
        info["synops"] += float(x.sum()) / FRAMES * o * (9 if conv else 1)
        info["dense_macs"] += w.numel() * (current[0, 0].numel() if conv else 1)
        low, high = 1e-4, 1e4
        for _ in range(30):
            middle = (low * high) ** 0.5
            s = fire(current, middle)
            s = F.max_pool2d(s, 2) if conv else s
            low, high = (low, middle) if s.mean() > case["density"] else (middle, high)
        x = s
        weights.append(w * middle)
    return frames, weights, info


def network(weights: list[Tensor]) -> rv.nn.Sequential:
    """The same layers as a network of ours."""
    layers: list[Any] = []
    for w in weights:
        flat = w.dim() == 2
        if flat and layers and isinstance(layers[-1], nn.MaxPool2d):
            layers.append(nn.Flatten())
        m = (
            nn.Linear(w.shape[1], w.shape[0], bias=False)
            if flat
            else nn.Conv2d(w.shape[1], w.shape[0], 3, padding=1, bias=False)
        )
        m.weight.data.copy_(w)
        layers += [m, rv.LIF(tau_m=TAU, discretisation="euler", reset=rv.ToValue())]
        layers += [] if flat else [nn.MaxPool2d(2)]
    return rv.nn.Sequential(*layers)


def w5(case: dict[str, Any]) -> dict[str, Any]:
    """Our side of the workload: {"step": one time step of a stream, "info": figures on activity}."""
    frames, weights, info = frames_and_weights(case)
    stream, at = rv.compile_for_inference(network(weights)).stream(batch=1), [0]

    def run() -> None:
        stream(frames[at[0] % FRAMES])
        at[0] += 1

    return {"step": run, "info": info}


def plain(weights: list[Tensor], shape: tuple[int, ...], *, compiled: bool = False) -> Step:
    """The same in plain torch, eager or compiled."""

    def net(x: Tensor, vs: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        new = []
        for w, v in zip(weights, vs, strict=True):
            current = F.conv2d(x, w, padding=1) if w.dim() == 4 else F.linear(x.flatten(1), w)
            h = v + (current - v) / TAU
            s = (h >= 1).float()
            new.append(h * (1 - s))
            x = F.max_pool2d(s, 2) if w.dim() == 4 else s
        return x, new

    fast = torch.compile(net, dynamic=False) if compiled else net
    side, shapes = shape[-1], []
    for w in weights:
        shapes.append((1, w.shape[0]) + ((side, side) if w.dim() == 4 else ()))
        side //= 2
    held = [[torch.zeros(s) for s in shapes]]

    def step(x: Tensor) -> Tensor:
        y, held[0] = fast(x, held[0])
        return y

    return step


def touched_bytes(weights: list[Tensor], shape: tuple[int, ...], synops: float) -> float:
    """Bytes a step touches: a weight an operation (at most all of them), states and frame in and out."""
    own = sum(w.numel() for w in weights)
    side, neurons = shape[-1], 0
    for w in weights:
        neurons += w.shape[0] * (side * side if w.dim() == 4 else 1)
        side //= 2
    return 4.0 * (min(synops, own) + 2 * neurons)


def copy_bandwidth() -> float:
    """Bytes a second, read and written, of a large copy."""
    a, b = torch.ones(1 << 25), torch.ones(1 << 25)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        b.copy_(a)
        times.append(time.perf_counter() - start)
    return 2 * a.nbytes / min(times)


def contenders(case: dict[str, Any], *, compiled: bool) -> tuple[Tensor, dict[str, Step], dict[str, Any]]:
    """Make all that is timed; checks first that float32 spikes agree with plain torch."""
    frames, weights, info = frames_and_weights(case)
    net, shape = network(weights), plan(case["net"])[1]
    found: dict[str, Step] = {"torch eager": plain(weights, shape)}
    if compiled:
        found["torch.compile"] = plain(weights, shape, compiled=True)
    nets = {name: rv.compile_for_inference(net, weights=name) for name in ("float32", "bfloat16", "int8")}
    eager = torch.stack(list(map(plain(weights, shape), frames)))
    ours, _ = nets["float32"].run(frames)
    info |= {"different spikes": int((eager != ours).sum()), "spikes": int(eager.sum()), "of": eager.numel()}
    streams = {name: fast.stream(batch=1) for name, fast in nets.items()}
    for name, stream in streams.items():
        stream(frames[0])
        found[f"events {name}"] = stream
    info |= {"bytes": touched_bytes(weights, shape, info["synops"]), "explain": str(nets["float32"].explain())}
    return frames, found, info


def measure(frames: Tensor, step: Step, clock: Callable[[], float]) -> float:
    """Seconds a step, over all frames once."""
    start = clock()
    for frame in frames:
        step(frame)
    return (clock() - start) / len(frames)


def run_case(case: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Time one case in turns and print it."""
    frames, found, info = contenders(case, compiled=args.compile)
    times: dict[str, list[float]] = {name: [] for name in found}
    bandwidth = copy_bandwidth()
    with torch.inference_mode():
        for number in range(args.rounds + 2):
            for name in list(found) if number % 2 else list(found)[::-1]:
                seconds = measure(frames, found[name], time.thread_time if args.cpu_time else time.perf_counter)
                if number >= 2:
                    times[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    best = min(value for name, value in medians.items() if name.startswith("torch"))
    limit = info["bytes"] / bandwidth
    print(f"\n{case['net']} at {case['density']:.0%}: {info['synops']:,.0f} synaptic operations of {info['dense_macs']:,.0f}; "
          f"limit {limit * 1e6:.1f} us ({info['bytes'] / 1e6:.2f} MB at {bandwidth / 1e9:.1f} GB/s); "
          f"{info['different spikes']} of {info['spikes']} output spikes differ; target {TARGETS[case['net'], case['density']]} us")  # fmt: skip
    for name, seconds in medians.items():
        print(f"  {name:16} {seconds * 1e6:9.1f} us   {best / seconds:6.2f} x best torch   "
              f"{seconds * 1e9 / max(info['synops'], 1):7.4f} ns a synaptic operation   {limit / seconds:5.1%} of the limit")  # fmt: skip
    if args.explain:
        print(info["explain"])
    return {"case": case, "median_us": {n: s * 1e6 for n, s in medians.items()}, "copy_bandwidth": bandwidth, **info}


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", help="cases of this network")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which needs a C++ compiler")
    parser.add_argument("--explain", action="store_true", help="print how each layer ran")
    parser.add_argument("--cpu-time", action="store_true", help="count this thread's own time, on a crowded machine")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.cpu_time and args.threads != 1:
        parser.error("--cpu-time needs --threads 1: it does not see other threads")
    torch.set_num_threads(args.threads)
    cases = [c for c in CASES if args.only in (None, c["net"])]
    rows = [run_case(case, args) for case in cases]
    if args.json:
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
        }
        args.json.write_text(
            json.dumps(
                {**about, "threads": args.threads, "clock": "cpu" if args.cpu_time else "wall", "rows": rows}, indent=1
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
