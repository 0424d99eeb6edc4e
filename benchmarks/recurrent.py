"""Time a recurrent network beside the dense matrix products alone, in turns: training step and its parts.

Run: python benchmarks/recurrent.py [--threads 2] [--rounds 15] [--json FILE]

``w3(case)`` gives the same training step to a harness that times other libraries. Axes: T time, B batch, I inputs,
H hidden neurons, O outputs.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.core.reset import ToValue
from ranvier.kernels.plan import Programs, plan
from ranvier.kernels.recurrent import loop
from ranvier.neurons import LIF, LeakyIntegrator
from ranvier.nn import EventLinear, Recurrent, Sequential

CASE = {"T": 100, "B": 64, "I": 700, "H": 256, "O": 20, "density": 0.08}
TAU = -1.0 / math.log(0.9)  # ms: decays by 0.9 a step of 1 ms
NEURON = LIF(tau_m=TAU, decay_input=False, reset=ToValue())

Call = Callable[[], Any]


def data(case: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw binary inputs (T, B, I), labels (B,), and weights (H, I) and (H, H) as the shared workload does."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = (rng.random((case["T"], case["B"], case["I"])) < case["density"]).astype(np.float32)
    w_in = rng.normal(0, 1.6 / (case["I"] * case["density"]) ** 0.5 * 0.3, (case["I"], case["H"])).astype(np.float32)
    w_rec = rng.normal(0, 0.3 / case["H"] ** 0.5, (case["H"], case["H"])).astype(np.float32)
    labels = rng.integers(0, case["O"], case["B"])
    return (
        torch.from_numpy(x),
        torch.from_numpy(labels),
        torch.from_numpy(w_in.T.copy()),
        torch.from_numpy(w_rec.T.copy()),
    )


def training(net: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], float]:
    """Make a training step: cross-entropy of the output's mean over time, Adam."""
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)

    def step() -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x).mean(0), labels)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def network(case: Mapping[str, Any], w_in: Tensor, w_rec: Tensor) -> nn.Module:
    """Build inputs -> recurrent LIF -> leaky integrators with these weights."""
    hidden, outputs = case["H"], case["O"]
    net = Sequential(
        EventLinear(case["I"], hidden, bias=False), Recurrent(NEURON, hidden), EventLinear(hidden, outputs),
        LeakyIntegrator(tau_m=TAU),
    )  # fmt: skip
    with torch.no_grad():
        net[0].weight.copy_(w_in)
        net[1].weight.copy_(w_rec)
    return net


def w3(case: Mapping[str, Any]) -> dict[str, Call]:
    """Make the operation of the shared workload w3: {"train": one training step}."""
    torch.manual_seed(0)
    x, labels, w_in, w_rec = data(case)
    return {"train": training(network(case, w_in, w_rec), x, labels)}


class Products(nn.Module):
    """The dense matrix products of that network without any neuron: what is compared with."""

    def __init__(self, case: Mapping[str, Any], w_in: Tensor, w_rec: Tensor) -> None:
        super().__init__()
        self.w_in, self.w_rec = nn.Parameter(w_in.t().contiguous()), nn.Parameter(w_rec.t().contiguous())
        self.out = nn.Linear(case["H"], case["O"])

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        s = x @ self.w_in
        out: Tensor = self.out((s.flatten(0, 1) @ self.w_rec).view_as(s))
        return out


def parts(case: Mapping[str, Any]) -> dict[str, tuple[Call, Call]]:
    """Make the parts of a step, each with the dense product that it replaces or rests on."""
    x, _, w_in, w_rec = data(case)
    found = plan(NEURON).programs
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
    weight, grad = torch.randn(CASE["H"], CASE["I"]), torch.randn(CASE["T"] * CASE["B"], CASE["H"])
    shares = {}
    for activity in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6):
        x = (torch.rand(len(grad), CASE["I"]) < activity).float()
        calls: dict[str, Call] = {
            "ours": lambda x=x: loop.linear(x, weight, None), "dense": lambda x=x: F.linear(x, weight),
            "our gradient": lambda x=x: loop.gradient([(x, grad)], bias=False), "dense gradient": lambda x=x: grad.t() @ x,
        }  # fmt: skip
        ms = turns(calls, rounds)
        shares[f"product at {activity:.0%}"] = ms["ours"] / ms["dense"]
        shares[f"gradient at {activity:.0%}"] = ms["our gradient"] / ms["dense gradient"]
    return shares


def turns(contenders: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Time contenders in turns, A B C C B A; returns medians in ms."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    for number in range(rounds):
        for name in list(contenders)[:: 1 if number % 2 == 0 else -1]:
            start = time.perf_counter()
            contenders[name]()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(seconds) for name, seconds in times.items()}


def main() -> None:
    """Measure, print, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    x, labels, w_in, w_rec = data(CASE)
    products = training(Products(CASE, w_in, w_rec), x, labels)
    flat = {
        f"{name}, {kind}": call
        for name, pair in parts(CASE).items()
        for kind, call in zip(("ours", "dense"), pair, strict=True)
    }
    medians = turns(
        {"training step, ours": w3(CASE)["train"], "training step, dense": products, **flat}, options.rounds
    )
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
                 "threads": options.threads, "torch": torch.__version__, "case": CASE, "ms": medians, "shares": shares}  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
