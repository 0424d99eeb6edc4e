"""Time a step of the L2MU network, event-driven with each kind of weights, beside the dense torch stream, in turns.

Run: python benchmarks/l2mu.py [--rounds 15] [--json FILE]. One thread, a batch of one, as on a small device; the windows
are those of the drawn task, the weights those after one short training.

Letters: T time, B batch, C channels.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.sparse.weights import Precision
from ranvier.measure import footprint
from ranvier.measure.turns import ratios, take_turns
from ranvier.nn import Sequential
from ranvier.nn.inference import EventStream, compile_for_inference
from ranvier.systems.signals import activities, l2mu
from ranvier.systems.signals.edge import pruned
from ranvier.train import Train

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


def trained(config: l2mu.Config) -> Sequential:
    """Train briefly, so that rates are those of a network that answers."""
    trainer = l2mu._trainer(config)
    trainer.fit()
    assert isinstance(trainer.net, Sequential)
    return trainer.net.eval()


def whole_window(step: Callable[[Tensor], Tensor], x_TBC: Tensor) -> Callable[[], Any]:
    """Make a call that runs one window, step by step."""
    return lambda: [step(x_BC) for x_BC in x_TBC]


@torch.no_grad()
def measure(name: str, net: Sequential, rounds: int) -> dict[str, Any]:
    """Time one size; microseconds a step, shares of the dense stream, bytes of weights."""
    x_TBC = activities.motions("waves", "test", count=1, limit=None, seed=1)[0]
    stream = net.stream(batch=1)
    edges: dict[str, EventStream] = {
        p: compile_for_inference(net, weights=p, crossover=1.0).stream() for p in PRECISIONS
    }
    thin = compile_for_inference(pruned(net, l2mu.PRUNED), weights="int8", crossover=1.0)
    edges["int8, pruned"] = thin.stream()
    calls = {"dense torch": whole_window(stream, x_TBC)}
    calls |= {key: whole_window(edge, x_TBC) for key, edge in edges.items()}
    timings = take_turns(calls, rounds=rounds)
    found: dict[str, Any] = {"parameters": sum(p.numel() for p in net.parameters()), "dense bytes": footprint(net)}
    for key, timing in timings.items():
        found[key] = {"us a step": round(1e6 * timing.median / len(x_TBC), 2)}
        if key in edges:
            found[key] |= {
                "share of dense": round(ratios(timing, timings["dense torch"]), 3),
                "bytes": edges[key].weight_bytes,
            }
    print(name, json.dumps(found, indent=1))
    return found


def main() -> None:
    """Measure two sizes, print, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    short = replace(l2mu.FAST, num_train=512, num_test=64, train=Train(epochs=2))
    sizes = {
        "claim": replace(short, encoders=64, hidden=64),
        "braille": replace(short, encoders=24, channels=250, hidden=160, num_train=128, train=Train(epochs=1)),
    }
    found = {name: measure(name, trained(config), options.rounds) for name, config in sizes.items()}
    if options.json is not None:
        facts = {"date": time.strftime("%Y-%m-%d"), "processor": platform.processor() or platform.machine(),
                 "threads": 1, "torch": torch.__version__, "rounds": options.rounds, "sizes": found}  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
