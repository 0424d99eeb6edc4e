"""Time the GPU kernels, as a fraction of the copy bandwidth measured in the same run, and against the peers.

    python benchmarks/gpu.py --out benchmarks/gpu.json           # everything; --quick: a few sizes

Four tables. ``loop``: a layer of LIF neurons. ``scan``: the same without a reset, segments of time side by side, beside
the loop. ``window``: a sliding window of 8 inputs (SlidingPSN) beside torch's operators. ``peers``: the LIF layer through
autograd beside a torch.compile loop and the peers that are installed, spikes and gradients compared first.

Bytes counted are those that cannot be avoided, in float32 and per neuron and step: forward reads the current and writes
the output (8); backward reads the current and the gradient of the output and writes that of the current (12). States at
both ends are added. What is read twice to compute states again counts as loss. Axes: T time, N neurons.
"""

import argparse
import datetime
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from ranvier.cli.bench import lif_layer
from ranvier.core.reset import NoReset
from ranvier.kernels import gpu
from ranvier.kernels import scan as torch_scan
from ranvier.kernels.gpu import absence
from ranvier.kernels.gpu import scan as segments
from ranvier.kernels.gpu import window as windows
from ranvier.kernels.gpu.device import WARPS
from ranvier.kernels.gpu.launch import BLOCK, FORWARD_CHUNK
from ranvier.kernels.plan import Programs, plan
from ranvier.neurons.lif import LIF

STEPS = (1, 4, 16, 64, 256)
NEURONS = tuple(2**k for k in range(14, 27, 2))
MAX_BYTES = 48 * 2**30  # of all tensors of one measurement
DTYPES = (torch.float32, torch.bfloat16)
Row = dict[str, Any]


def milliseconds(run: Callable[[], object]) -> float:
    """Return the median time of a call, with the L2 cache cleared before each."""
    from triton.testing import do_bench

    return float(do_bench(run, warmup=20, rep=100, return_mode="median"))


def copy_bandwidth() -> float:
    """Measure the bytes per second, read and written, of copying 2 GiB."""
    source = torch.zeros(2**29, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / (milliseconds(lambda: target.copy_(source)) * 1e-3)


def row(
    T: int, N: int, dtype: torch.dtype, bandwidth: float, forward: Callable[[], object], backward: Callable[[], object],
    **words: object,
) -> Row:  # fmt: skip
    """Time forward and training (forward and backward) of one size."""
    times = {"forward": milliseconds(forward), "backward": milliseconds(backward)}
    num_bytes = {"forward": T * N * 2 * dtype.itemsize + 8 * N, "backward": T * N * 3 * dtype.itemsize + 8 * N}
    found: Row = {**words, "T": T, "N": N, "dtype": str(dtype).removeprefix("torch.")}
    times["training"] = times["forward"] + times["backward"]
    num_bytes["training"] = num_bytes["forward"] + num_bytes["backward"]
    for name, time in times.items():
        found[name] = {
            "ms": time,
            "ps_per_neuron_step": time * 1e9 / (T * N),
            "fraction_of_copy": num_bytes[name] / (time * 1e-3) / bandwidth,
        }
    return found


def fits(T: int, N: int, dtype: torch.dtype) -> bool:
    """Tell whether a measurement has room."""
    return 6 * T * N * dtype.itemsize <= MAX_BYTES


def programs(neuron: LIF) -> Programs:
    """Return the programs of the neuron that is timed."""
    found = plan(neuron).programs
    assert isinstance(found, Programs)
    return found


def layer(module: Any, p: Programs, T: int, N: int, dtype: torch.dtype, bandwidth: float, **words: object) -> Row:
    """Time a layer of neurons run by an executor."""
    current_TN, grad_TN = (torch.randn(T, N, device="cuda", dtype=dtype) for _ in range(2))
    v_N = torch.zeros(N, device="cuda")
    return row(
        T, N, dtype, bandwidth, lambda: module.forward(p.forward, current_TN, [v_N], []),
        lambda: module.backward(p.forward, p.backward, current_TN, [v_N], [], [grad_TN], [None]), **words,
    )  # fmt: skip


def loop(bandwidth: float, quick: bool) -> Iterator[Row]:
    """Time the ordinary executor."""
    p = programs(LIF(tau_m=2.0))
    for dtype in DTYPES:
        for T in (4, 64) if quick else STEPS:
            for N in (2**18, 2**22) if quick else NEURONS:
                if fits(T, N, dtype):
                    yield layer(gpu, p, T, N, dtype, bandwidth)


def scan(bandwidth: float, quick: bool) -> Iterator[Row]:
    """Time segments of time side by side, beside one segment."""
    p = programs(LIF(tau_m=2.0, reset=NoReset()))
    for T in (1024,) if quick else (64, 256, 1024, 4096):
        for N in (2**10, 2**14) if quick else (2**6, 2**10, 2**12, 2**14, 2**16, 2**18):
            for name, module in (("segments", segments), ("loop", gpu)):
                yield layer(module, p, T, N, torch.float32, bandwidth, executor=name)


def sliding(function: Any, T: int, N: int, bandwidth: float, **words: object) -> Row:
    """Time a window of 8 inputs."""
    x, before, grad = (torch.randn(t, N, 1, device="cuda") for t in (T, 7, T))
    weight = torch.randn(1, 1, 8, device="cuda")
    leaves = (x.clone().requires_grad_(), weight.clone().requires_grad_())
    h = function(leaves[0], before, leaves[1])
    return row(
        T, N, torch.float32, bandwidth, lambda: function(x, before, weight),
        lambda: torch.autograd.grad(h, leaves, grad, retain_graph=True), **words,
    )  # fmt: skip


def window(bandwidth: float, quick: bool) -> Iterator[Row]:
    """Time a window by our kernel, beside torch's operators."""
    for T in (16,) if quick else (4, 16, 64):
        for N in (2**20,) if quick else (2**16, 2**20, 2**22):
            yield sliding(windows.window, T, N, bandwidth, by="kernel")
            yield sliding(torch_scan.window, T, N, bandwidth, by="torch")


def peers(bandwidth: float, quick: bool) -> Iterator[Row]:
    """Time the layer through autograd, ours and that of everyone who is installed."""
    for dtype in DTYPES[:1] if quick else DTYPES:
        for T in (16,) if quick else STEPS:
            for N in (2**20,) if quick else (2**14, 2**18, 2**22):
                law: tuple[torch.Tensor, ...] | None = None
                for name, make in lif_layer.contenders({"T": T, "N": N, "reset": "hard"}, "cuda", dtype).items():
                    try:
                        contender = make()
                    except ImportError as error:
                        print(f"{name}: absent ({error})")
                        continue
                    if contender.results is not None and dtype == torch.float32:
                        found = contender.results()
                        law = law or found
                        worst = max(float((a - b).abs().max()) for a, b in zip(found, law, strict=True))
                        assert worst < 1e-4, f"{name} computes something else: {worst}"
                    forward, training = (milliseconds(contender.operations[o]) for o in ("forward", "training"))
                    yield {
                        "by": name, "differs": contender.differs, "T": T, "N": N,
                        "dtype": str(dtype).removeprefix("torch."), "forward_ms": forward, "training_ms": training,
                        "fraction_of_copy": T * N * 5 * dtype.itemsize / (training * 1e-3) / bandwidth,
                    }  # fmt: skip


def line(found: Row) -> str:
    """Print a measurement."""
    if "training_ms" in found:
        return "  ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{value}" for key, value in found.items()
        )
    words = "  ".join(str(value) for value in found.values() if not isinstance(value, dict))
    cells = [
        f"{n} {found[n]['ms']:.4f} ms {found[n]['ps_per_neuron_step']:.2f} ps {found[n]['fraction_of_copy']:.2f}"
        for n in ("forward", "backward", "training")
    ]
    return f"{words:40}  " + "  ".join(cells)


def main() -> None:
    """Measure all sizes, print them and write them to a file, which grows table by table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, help="JSON file to write")
    options.add_argument("--quick", action="store_true", help="a few sizes only")
    arguments = options.parse_args()
    reason = absence()
    if reason is None and os.environ.get("TRITON_INTERPRET") == "1":
        reason = "TRITON_INTERPRET=1: interpreted kernels have no speed worth measuring"
    if reason is not None:
        print(f"skipped: {reason}")
        return
    import triton

    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}: copy {bandwidth / 1e12:.3f} TB/s, read and written")
    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "triton": triton.__version__},
        "shape": {"block": BLOCK, "warps": WARPS, "forward_chunk": FORWARD_CHUNK},
        "copy_bytes_per_second": bandwidth,
    }
    for measure in (loop, scan, window, peers):
        rows = result[measure.__name__] = []
        print(measure.__name__)
        for found in measure(bandwidth, arguments.quick):
            rows.append(found)
            print(line(found), flush=True)
        if arguments.out is not None:
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
