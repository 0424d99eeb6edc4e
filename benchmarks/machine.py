"""Time the vector machine on a LIF layer beside a loop in plain torch, with the memory limit of the same minute.

Run: python benchmarks/machine.py [--threads 2] [--rounds 15] [--json FILE]

Contenders take turns, so that a noisy neighbour hits all of them; medians are printed, in ns a neuron-step. "kernel"
writes into buffers used before, "call" is what a layer does: it allocates its results. Axes: T time, N neurons.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ranvier.core.surrogate import spike
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.cpu import machine
from ranvier.kernels.plan import Programs, plan
from ranvier.neurons.lif import LIF

SIZES = [(2**14, 4), (2**14, 16), (2**20, 4), (2**20, 16)]
BYTES = {
    "forward": 8,
    "training": 20,
}  # a neuron-step in float32: current in, spikes out; then current, gradient, gradient
DECAY = 0.5

Contenders = dict[str, Callable[[], object]]


def programs() -> Programs:
    """Trace the neuron that the torch loop spells out."""
    found = plan(LIF(tau_m=2.0, decay_input=False, discretisation="euler", surrogate=ATan())).programs
    assert isinstance(found, Programs)
    return found


def torch_loop(current_TN: Tensor, v_N: Tensor) -> Tensor:
    """Run the same neuron as anyone would write it."""
    spikes = []
    for current_N in current_TN:
        v_N = DECAY * v_N + current_N
        s_N = spike(v_N - 1.0, ATan())
        v_N = v_N - s_N
        spikes.append(s_N)
    return torch.stack(spikes)


def contenders(N: int, T: int) -> Contenders:
    """Make everything that is timed at one size; checks first that all agree."""
    lif, native = programs(), machine._machine()
    current, v, grad = torch.randn(T, N) * 2, torch.zeros(N), torch.randn(T, N)
    spikes, last, grad_current, grad_v = torch.zeros(T, N), torch.zeros(N), torch.zeros(T, N), torch.zeros(N)
    leaf = current.clone().requires_grad_()
    forward_code = machine._forward_code(lif.forward)
    codes = machine._backward_codes(lif.forward, lif.backward)

    def forward_kernel() -> None:
        native.forward(forward_code, current, [v], [], [], [spikes], [last], torch.get_num_threads())

    def training_kernel() -> None:
        forward_kernel()
        native.backward(
            codes.replay, codes.code, current, [v], [], [], [grad], [None], grad_current, [grad_v], [],
            torch.get_num_threads(),
        )  # fmt: skip

    def training_call() -> None:
        machine.forward(lif.forward, current, [v], [])
        machine.backward(lif.forward, lif.backward, current, [v], [], [grad], [None])

    def training_loop() -> Tensor:
        leaf.grad = None
        out = torch_loop(leaf, v)
        out.backward(grad)
        return out

    def forward_loop() -> Tensor:
        with torch.no_grad():
            return torch_loop(current, v)

    training_kernel()
    assert 0 < spikes.mean() < 1
    torch.testing.assert_close(spikes, training_loop(), rtol=0, atol=0)
    torch.testing.assert_close(grad_current, leaf.grad)
    return {
        "copy": lambda: spikes.copy_(current),
        "forward kernel": forward_kernel, "forward call": lambda: machine.forward(lif.forward, current, [v], []),
        "forward torch loop": forward_loop, "training kernel": training_kernel, "training call": training_call,
        "training torch loop": training_loop,
    }  # fmt: skip


def measure(N: int, T: int, rounds: int) -> dict[str, float]:
    """Return the median of every contender, ns a neuron-step."""
    made = contenders(N, T)
    repeats = max(1, 2**18 // (N * T))
    samples: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, run in made.items():
            start = time.perf_counter()
            for _ in range(repeats):
                run()
            samples[name].append((time.perf_counter() - start) / repeats)
    return {name: statistics.median(times) / (N * T) * 1e9 for name, times in samples.items()}


def copy_bandwidth(rounds: int) -> float:
    """Return what copying 64 MiB reaches, GB/s; bytes read and bytes written both count."""
    source, target = torch.zeros(2**24), torch.zeros(2**24)
    times = []
    for _ in range(max(rounds, 9)):
        start = time.perf_counter()
        target.copy_(source)
        times.append(time.perf_counter() - start)
    return 8 * 2**24 / statistics.median(times) / 1e9


def main() -> None:
    """Measure all sizes, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    bandwidth = copy_bandwidth(options.rounds)
    print(f"{options.threads} threads, {machine._machine().variants()[0]}, copy {bandwidth:.1f} GB/s; ns a neuron-step")
    rows = []
    for N, T in SIZES:
        row: dict[str, float] = {"N": N, "T": T, **measure(N, T, options.rounds)}
        for kind, count in BYTES.items():
            row[f"{kind} limit"] = count / bandwidth
            row[f"{kind} gain"] = row[f"{kind} torch loop"] / row[f"{kind} call"]
        rows.append(row)
        print(f"N = {N}, T = {T}: copy {row['copy']:.2f}")
        for kind in BYTES:
            kernel, call, loop = (row[f"{kind} {what}"] for what in ("kernel", "call", "torch loop"))
            print(
                f"  {kind:8} kernel {kernel:.2f}, call {call:.2f}, torch loop {loop:.2f} ({loop / call:.1f} times the call);"
                f" from memory at best {row[f'{kind} limit']:.2f}"
            )
    if options.json is not None:
        facts = {"date": time.strftime("%Y-%m-%d"), "processor": platform.processor() or platform.machine(),
                 "threads": options.threads, "torch": torch.__version__, "copy_gb_s": bandwidth, "rows": rows}  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
