"""Time the parts of a recurrent network's training step beside the dense products they replace, in turns.

Run: python benchmarks/recurrent.py [--threads 2] [--rounds 15] [--json FILE]. The whole step: ranvier bench recurrent.

Axes: T time, B batch, I inputs, H hidden neurons.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from ranvier.cli.bench import recurrent
from ranvier.kernels.plan import Programs, plan
from ranvier.kernels.recurrent import loop
from ranvier.measure.turns import ratios, take_turns

Call = Callable[[], Any]


def parts(case: Mapping[str, Any]) -> dict[str, tuple[Call, Call]]:
    """Make the parts of a step, each with the dense product that it replaces or rests on."""
    x, _, w_in, w_rec = recurrent.data(case)
    found = plan(recurrent.NEURON).programs
    assert isinstance(found, Programs)
    forward, backward = found.forward, found.backward
    x_RI, zero = x.flatten(0, 1), torch.zeros(case["B"], case["H"])
    current = loop.linear(x_RI, w_in, None).view(case["T"], case["B"], case["H"])
    (spikes,), _, driven = loop.forward(forward, current, w_rec, None, [zero], zero, [], spikes=0, keep=True)
    grad = torch.randn_like(spikes)
    grad_RH, spikes_RH = grad.flatten(0, 1), spikes.flatten(0, 1)
    print(f"{x.mean():.1%} of the inputs are active, {spikes.mean():.1%} of the neurons fire")
    return {
        "input product": (lambda: loop.linear(x_RI, w_in, None), lambda: F.linear(x_RI, w_in)),
        "loop forward": (
            lambda: loop.forward(forward, current, w_rec, None, [zero], zero, [], spikes=0, keep=True),
            lambda: F.linear(spikes_RH, w_rec),
        ),
        "loop backward": (
            lambda: loop.backward(forward, backward, driven, w_rec, [zero], [], [grad], [None], spikes=0),
            lambda: grad_RH @ w_rec,
        ),
        "gradient of recurrent weights": (
            lambda: loop.gradient([(spikes_RH, grad_RH)], bias=False), lambda: grad_RH.t() @ spikes_RH,
        ),
        "gradient of input weights": (
            lambda: loop.gradient([(x_RI, grad_RH)], bias=False), lambda: grad_RH.t() @ x_RI,
        ),
    }  # fmt: skip


def crossover(rounds: int) -> dict[str, float]:
    """Time the product over active inputs and its weight gradient as shares of the dense ones, by activity."""
    case, generator = recurrent.CASES[0], torch.Generator().manual_seed(0)
    weight = torch.randn(case["H"], case["I"], generator=generator)
    grad = torch.randn(case["T"] * case["B"], case["H"], generator=generator)
    shares = {}
    for activity in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6):
        x = (torch.rand(len(grad), case["I"], generator=generator) < activity).float()
        calls: dict[str, Call] = {
            "ours": lambda x=x: loop.linear(x, weight, None), "dense": lambda x=x: F.linear(x, weight),
            "our gradient": lambda x=x: loop.gradient([(x, grad)], bias=False), "dense gradient": lambda x=x: grad.t() @ x,
        }  # fmt: skip
        timings = take_turns(calls, rounds=rounds)
        shares[f"product at {activity:.0%}"] = ratios(timings["ours"], timings["dense"])
        shares[f"gradient at {activity:.0%}"] = ratios(timings["our gradient"], timings["dense gradient"])
    return shares


def main() -> None:
    """Measure, print, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    flat = {
        f"{name}, {kind}": call
        for name, pair in parts(recurrent.CASES[0]).items()
        for kind, call in zip(("ours", "dense"), pair, strict=True)
    }
    medians = {name: 1e3 * timing.median for name, timing in take_turns(flat, rounds=options.rounds).items()}
    print(f"{options.threads} threads, {loop._loop().variants()[0]}; ms, and ours as a share of the dense products")
    for name in dict.fromkeys(key.rsplit(", ", 1)[0] for key in medians):
        ours, dense = medians[f"{name}, ours"], medians[f"{name}, dense"]
        print(f"  {name:30} ours {ours:7.2f}   dense products {dense:7.2f}   {ours / dense:.2f}")
    shares = crossover(options.rounds // 3 + 1)
    print(
        "product over active inputs as a share of the dense one: "
        + ", ".join(f"{k} {v:.2f}" for k, v in shares.items())
    )
    if options.json is not None:
        facts = {"date": time.strftime("%Y-%m-%d"), "processor": platform.processor() or platform.machine(),
                 "threads": options.threads, "torch": torch.__version__, "ms": medians, "shares": shares}  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
