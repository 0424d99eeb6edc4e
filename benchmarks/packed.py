"""Time event-driven layers on spikes as floats, bytes and bits, and on bits that are unpacked first.

Run: python benchmarks/packed.py [--threads 2] [--rounds 15] [--json FILE]

Contenders take turns; medians are printed, in us, beside the bytes of the spikes. "step" is a step of a stream through the
nets of ``ranvier bench streaming``, "layer" an ``EventLinear`` forward and back on a batch. All give the same bits.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from ranvier.cli.bench import streaming
from ranvier.kernels.packed import PackedSpikes
from ranvier.nn import EventLinear
from ranvier.nn.inference import compile_for_inference

FORMS = ("float32", "uint8", "bits", "bits, unpacked first")
DENSITIES = (0.02, 0.1)
ROWS, INPUTS, OUTPUTS = 256, 2048, 512
Contenders = dict[str, Callable[[], Tensor]]


def in_form(x: Tensor, form: str) -> Tensor:
    """Keep spikes in a form."""
    return x if form == "float32" else PackedSpikes.of(x, "uint8" if form == "uint8" else "bits")


def step(net: str, density: float) -> tuple[Contenders, dict[str, int]]:
    """Make streams through a net, one a form."""
    case = {"net": net, "density": density}
    frames, network = streaming._drawn(net, density)[0], streaming._network(case)
    contenders: Contenders = {}
    for form in FORMS:
        given, stream = [in_form(x, form) for x in frames], compile_for_inference(network, crossover=1.0).stream()
        contenders[form] = _walk(given, stream, unpack=form == FORMS[-1])
    return contenders, {form: in_form(frames[0], form).nbytes for form in FORMS}


def _walk(given: list[Tensor], stream: Callable[[Tensor], Tensor], *, unpack: bool) -> Callable[[], Tensor]:
    at = -1

    def run() -> Tensor:
        nonlocal at
        at = (at + 1) % len(given)
        x = given[at]
        return stream(x.dense() if unpack and isinstance(x, PackedSpikes) else x)

    return run


def layer(density: float) -> tuple[Contenders, dict[str, int]]:
    """Make a layer's forward and backward pass, one a form."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(ROWS, INPUTS, generator=generator) < density).float()
    grad, event_linear = torch.randn(ROWS, OUTPUTS, generator=generator), EventLinear(INPUTS, OUTPUTS)

    def of(form: str) -> Callable[[], Tensor]:
        given = in_form(x, form)

        def run() -> Tensor:
            event_linear.zero_grad()
            dense = form == FORMS[-1] and isinstance(given, PackedSpikes)
            out: Tensor = event_linear(given.dense() if dense else given)  # type: ignore[attr-defined] # packed
            out.backward(grad)  # type: ignore[no-untyped-call] # torch's is not typed
            return out.detach()

        return run

    return {form: of(form) for form in FORMS}, {form: in_form(x, form).nbytes for form in FORMS}


def measure(contenders: Contenders, rounds: int, calls: int = 20) -> dict[str, float]:
    """Give medians in us, after a check that all compute the same."""
    outputs = [contenders[form]() for form in FORMS]
    assert all(torch.equal(out, outputs[0]) for out in outputs)
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for n in range(rounds):
        for form in FORMS[:: 1 if n % 2 else -1]:
            for _ in range(calls):
                start = time.perf_counter()
                contenders[form]()
                seconds[form].append(time.perf_counter() - start)
    return {form: round(statistics.median(found) * 1e6, 1) for form, found in seconds.items()}


def main() -> None:
    """Time all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cases = []
    for density in DENSITIES:
        for name in ("step dense2", "step conv32", "step conv128", "layer"):
            kind, _, net = name.partition(" ")
            contenders, sizes = step(net, density) if kind == "step" else layer(density)
            micros = measure(contenders, arguments.rounds)
            cases.append({"case": name, "density": density, "us": micros, "bytes": sizes})
            words = ", ".join(f"{form} {micros[form]} us {sizes[form]} bytes" for form in FORMS)
            print(f"{name} at {density:.0%}: {words}", flush=True)
    if arguments.json:
        about = {
            "date": datetime.now(UTC).date().isoformat(), "processor": platform.processor() or platform.machine(),
            "threads": arguments.threads, "torch": torch.__version__, "rounds": arguments.rounds, "cases": cases,
        }  # fmt: skip
        arguments.json.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
