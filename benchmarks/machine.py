"""Time the vector machine on a LIF layer beside a loop in plain torch, with the memory limit of the same minute.

Run: python benchmarks/machine.py [--threads 2] [--rounds 15] [--json FILE]

Contenders take turns, so that a noisy neighbour hits all of them; medians are printed, in ns a neuron-step. "kernel"
writes into buffers used before, "interpreter" is the same without a fused program, "layer" is what a user calls, with
autograd. With one thread processor time is counted, which other jobs disturb little. Axes: T time, N neurons.
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

from ranvier.core.reset import ToValue
from ranvier.core.surrogate import spike
from ranvier.core.surrogates.atan import ATan
from ranvier.kernels.cpu import machine
from ranvier.kernels.cpu.encode import encode
from ranvier.kernels.plan import Programs, plan
from ranvier.neurons.lif import LIF
from ranvier.nn.spiking import Spiking

SIZES = [(2**14, 4), (2**14, 16), (2**14, 64), (2**20, 4), (2**20, 16)]
BYTES = {"forward": 8, "training": 20}  # a neuron-step: current in, spikes out; then current, gradient, gradient
NEURON = LIF(tau_m=2.0, discretisation="euler", reset=ToValue(), surrogate=ATan())

Contenders = dict[str, Callable[[], object]]


def torch_loop(current_TN: Tensor, v_N: Tensor) -> Tensor:
    """Run the same neuron as anyone would write it."""
    spikes = []
    for current_N in current_TN:
        v_N = 0.5 * v_N + 0.5 * current_N
        s_N = spike(v_N - 1.0, ATan())
        v_N = v_N * (1 - s_N)
        spikes.append(s_N)
    return torch.stack(spikes)


class Kernel:
    """The machine itself on buffers of its own."""

    def __init__(self, current: Tensor, grad: Tensor, *, fuse: bool) -> None:
        self.native, programs = machine._machine(), plan(NEURON).programs
        assert isinstance(programs, Programs)
        opcodes = machine._opcodes()
        self.code = self.native.Code.forward(*encode(programs.forward, opcodes), fuse)
        self.replay = self.native.Code.forward(*encode(machine._replay(programs.forward), opcodes), fuse)
        self.walk = self.native.Code.backward(*encode(programs.backward, opcodes), fuse)
        assert bool(self.walk.fused) == fuse
        self.current, self.grad, self.v = current, grad, torch.zeros(current.shape[1])
        self.spikes, self.last = torch.zeros_like(current), torch.zeros_like(self.v)
        self.grad_current, self.grad_v = torch.zeros_like(current), torch.zeros_like(self.v)

    def forward(self) -> None:
        """Compute the spikes."""
        threads = torch.get_num_threads()
        self.native.forward(self.code, self.current, [self.v], [], [], [self.spikes], [self.last], threads)

    def training(self) -> None:
        """Compute the spikes, then the gradient of the current."""
        self.forward()
        self.native.backward(
            self.replay, self.walk, self.current, [self.v], [], [], [self.grad], [None], self.grad_current,
            [self.grad_v], [], torch.get_num_threads(),
        )  # fmt: skip


def contenders(N: int, T: int) -> Contenders:
    """Make everything that is timed at one size; checks first that all agree."""
    current, grad = torch.randn(T, N) + 0.8, torch.randn(T, N)
    leaf, v = current.clone().requires_grad_(), torch.zeros(N)
    kernel, interpreter = Kernel(current, grad, fuse=True), Kernel(current, grad, fuse=False)
    layer = Spiking(NEURON)

    def training(forward: Callable[[Tensor], Tensor]) -> Tensor:
        leaf.grad = None
        out = forward(leaf)
        out.backward(grad)
        return out

    def inference(forward: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            return forward(current)

    def loop(x: Tensor) -> Tensor:
        return torch_loop(x, v)

    for forward in (loop, layer):
        spikes = training(forward)
        for machine_itself in (kernel, interpreter):
            machine_itself.training()
            torch.testing.assert_close(machine_itself.spikes, spikes, rtol=0, atol=0)
            torch.testing.assert_close(machine_itself.grad_current, leaf.grad)
    assert 0 < kernel.spikes.mean() < 1
    return {
        "copy": lambda: kernel.spikes.copy_(current),
        "forward kernel": kernel.forward, "forward interpreter": interpreter.forward,
        "forward layer": lambda: inference(layer), "forward torch loop": lambda: inference(loop),
        "training kernel": kernel.training, "training interpreter": interpreter.training,
        "training layer": lambda: training(layer), "training torch loop": lambda: training(loop),
    }  # fmt: skip


def measure(N: int, T: int, rounds: int) -> dict[str, float]:
    """Return the median of every contender, ns a neuron-step."""
    made = contenders(N, T)
    repeats = max(1, 2**20 // (N * T))
    samples: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, run in made.items():
            run()  # what was in the caches before is another's
            start = clock()
            for _ in range(repeats):
                run()
            samples[name].append((clock() - start) / repeats)
    return {name: statistics.median(times) / (N * T) * 1e9 for name, times in samples.items()}


def clock() -> float:
    """Return seconds: of this thread where it is alone, else of the wall."""
    return time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()


def copy_bandwidth(rounds: int) -> float:
    """Return what copying 64 MiB reaches, GB/s; bytes read and bytes written both count."""
    source, target = torch.zeros(2**24), torch.zeros(2**24)
    times = []
    for _ in range(max(rounds, 9)):
        start = clock()
        target.copy_(source)
        times.append(clock() - start)
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
    rows = []
    for N, T in SIZES:
        bandwidth = copy_bandwidth(options.rounds)
        row: dict[str, float] = {"N": N, "T": T, "copy_gb_s": bandwidth, **measure(N, T, options.rounds)}
        print(f"N = {N}, T = {T}, {options.threads} threads; ns a neuron-step; copy {bandwidth:.1f} GB/s")
        for kind, count in BYTES.items():
            row[f"{kind} limit"] = count / bandwidth
            what = ("kernel", "interpreter", "layer", "torch loop")
            times = {name: row[f"{kind} {name}"] for name in what}
            print(
                f"  {kind:8} " + ", ".join(f"{name} {value:.2f}" for name, value in times.items())
                + f" ({times['torch loop'] / times['layer']:.1f} times the layer); by memory {row[f'{kind} limit']:.2f}"
            )  # fmt: skip
        rows.append(row)
    if options.json is not None:
        facts = {"date": time.strftime("%Y-%m-%d"), "processor": platform.processor() or platform.machine(),
                 "instructions": machine._machine().variants()[0], "threads": options.threads,
                 "torch": torch.__version__, "rows": rows}  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
