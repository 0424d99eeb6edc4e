"""Time the GPU executor on a layer of LIF neurons, as a fraction of the copy bandwidth measured in the same run.

    python benchmarks/gpu.py --out benchmarks/results/gpu.json

Bytes counted are those that cannot be avoided, in float32 and per neuron and step: forward reads the current and writes
the spikes (8); backward reads the current and the gradient of the spikes and writes that of the current (12). States at
both ends are added. What the backward pass reads twice to compute states again counts as loss. Axes: T time, N neurons.
"""

import argparse
import datetime
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ranvier.kernels.gpu import absence, backward, forward
from ranvier.kernels.gpu.device import WARPS
from ranvier.kernels.gpu.launch import BLOCK, FORWARD_CHUNK
from ranvier.kernels.plan import Programs, plan
from ranvier.neurons.lif import LIF

STEPS = (1, 4, 16, 64, 256)
NEURONS = tuple(2**k for k in range(14, 27, 2))
MAX_BYTES = 48 * 2**30  # of all tensors of one measurement


def milliseconds(run: Callable[[], object]) -> float:
    """Return the median time of a call, with the L2 cache cleared before each."""
    from triton.testing import do_bench

    return float(do_bench(run, warmup=20, rep=100, return_mode="median"))


def copy_bandwidth() -> float:
    """Measure the bytes per second, read and written, of copying 2 GiB."""
    source = torch.zeros(2**29, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / (milliseconds(lambda: target.copy_(source)) * 1e-3)


def programs() -> Programs:
    """Return the programs of the LIF neuron that is timed."""
    found = plan(LIF(tau_m=2.0)).programs
    assert isinstance(found, Programs)
    return found


def measure(T: int, N: int, dtype: torch.dtype, bandwidth: float) -> dict[str, Any]:
    """Time forward and training (forward and backward) of one size."""
    p, size = programs(), dtype.itemsize
    current_TN = torch.randn(T, N, device="cuda", dtype=dtype)
    grad_TN = torch.randn(T, N, device="cuda", dtype=dtype)
    v_N = torch.zeros(N, device="cuda")
    times = {
        "forward": milliseconds(lambda: forward(p.forward, current_TN, [v_N], [])),
        "backward": milliseconds(lambda: backward(p.forward, p.backward, current_TN, [v_N], [], [grad_TN], [None])),
    }
    num_bytes = {"forward": T * N * 2 * size + 8 * N, "backward": T * N * 3 * size + 8 * N}
    for table in (times, num_bytes):
        table["training"] = table["forward"] + table["backward"]  # type: ignore[assignment] # floats or ints, each by itself
    row: dict[str, Any] = {"T": T, "N": N, "dtype": str(dtype).removeprefix("torch.")}
    for name, time in times.items():
        row[name] = {
            "ms": time,
            "ps_per_neuron_step": time * 1e9 / (T * N),
            "fraction_of_copy": num_bytes[name] / (time * 1e-3) / bandwidth,
        }
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Print the measurements, one line a size."""
    names = ("forward", "backward", "training")
    lines = ["dtype       T         N | " + " | ".join(f"{name:>8} ms  ps/step  of copy" for name in names)]
    for row in rows:
        cells = [
            f"{row[n]['ms']:11.4f} {row[n]['ps_per_neuron_step']:8.2f} {row[n]['fraction_of_copy']:8.2f}" for n in names
        ]
        lines.append(f"{row['dtype']:8} {row['T']:4} {row['N']:9} | " + " | ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Measure all sizes, print them and write them to a file."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, help="JSON file to write")
    options.add_argument("--quick", action="store_true", help="only N = 2**18 and 2**22, T = 4 and 64")
    arguments = options.parse_args()
    reason = absence()
    if reason is None and os.environ.get("TRITON_INTERPRET") == "1":
        reason = "TRITON_INTERPRET=1: interpreted kernels have no speed worth measuring"
    if reason is not None:
        print(f"skipped: {reason}")
        return
    import triton

    bandwidth, rows = copy_bandwidth(), []
    print(f"{torch.cuda.get_device_name()}: copy {bandwidth / 1e12:.3f} TB/s, read and written")
    for dtype in (torch.float32, torch.bfloat16):
        for T in (4, 64) if arguments.quick else STEPS:
            for N in (2**18, 2**22) if arguments.quick else NEURONS:
                if 5 * T * N * dtype.itemsize <= MAX_BYTES:
                    rows.append(measure(T, N, dtype, bandwidth))
                    print(table(rows[-1:]) if len(rows) == 1 else table(rows[-1:]).split("\n")[1], flush=True)
    result = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "triton": triton.__version__},
        "shape": {"block": BLOCK, "warps": WARPS, "forward_chunk": FORWARD_CHUNK},
        "copy_bytes_per_second": bandwidth,
        "rows": rows,
    }
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
