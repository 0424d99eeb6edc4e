"""One layer of leaky integrate-and-fire neurons over T steps: forward, and forward with gradients of the input.

h[t] = v[t-1] + (x[t] - v[t-1]) / 2,  s[t] = (h[t] >= 1),  v[t] = (1 - s[t]) h[t] or, soft, h[t] - s[t];  arctan
surrogate of width 2. At least 8 bytes a neuron-step cross the memory bus forward (current in, spikes out) and 20 in
training: the potential is computed anew, so that only the current, the gradient of the spikes and that of the current
are added. Letters: T time, N neurons.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ranvier.cli.bench.workload import Case, Contender, Least
from ranvier.core.reset import Subtract, ToValue
from ranvier.kernels.dispatch import run
from ranvier.kernels.plan import Plan, Programs, plan
from ranvier.neurons import LIF

NAME = "lif-layer"
WORDS = "A layer of LIF neurons, forward and training"
TAU = 2.0
CASES: tuple[Case, ...] = tuple({"N": n, "T": t, "reset": "hard"} for n in (2**14, 2**20) for t in (4, 16))
BYTES = {"forward": 8, "training": 20}

Layer = Callable[[Tensor, Tensor], Tensor]  # currents (T, N) and potentials at the start (N,) -> spikes (T, N)


def least(case: Case, operation: str) -> Least:
    """Return bytes, operations and neuron-steps of an operation."""
    steps, programs = case["N"] * case["T"], _plan(case["reset"] == "hard").programs
    assert isinstance(programs, Programs)
    work = len(programs.forward.body) + (len(programs.backward.body) if operation == "training" else 0)
    return Least(unit="neuron-step", count=steps, bytes=BYTES[operation] * steps, float_operations=work * steps)


def contenders(
    case: Case, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Mapping[str, Callable[[], Contender]]:
    """Return ours, torch's own means, and the peers, which choose their kernels by the device."""
    hard = case["reset"] == "hard"

    def made(layer: Layer, differs: str = "") -> Contender:
        return _contender(case, layer, device, dtype, differs)

    return {
        "ours": lambda: made(_ours(hard)),
        "torch loop": lambda: made(_loop(hard)),
        "torch.compile": lambda: made(torch.compile(_loop(hard), dynamic=False)),
        "SpikingJelly": lambda: made(_spikingjelly(hard)),
        "snnTorch": lambda: made(_snntorch(hard), "detaches the reset, which comes a step late"),
        "Norse": lambda: made(_norse(hard), "SuperSpike for arctan"),
    }


def _contender(case: Case, layer: Layer, device: str, dtype: torch.dtype, differs: str) -> Contender:
    generator = torch.Generator(device).manual_seed(0)
    x_TN = torch.randn(case["T"], case["N"], generator=generator, device=device).add_(0.8).to(dtype)
    grad_TN = torch.randn(case["T"], case["N"], generator=generator, device=device).to(dtype)
    start_N = torch.zeros(case["N"], device=device, dtype=dtype)
    leaf_TN = x_TN.detach().requires_grad_()

    def forward() -> Tensor:
        with torch.no_grad():
            return layer(x_TN, start_N)

    def training() -> None:
        torch.autograd.backward(layer(leaf_TN, start_N), grad_TN)
        leaf_TN.grad = None

    def results() -> tuple[Tensor, Tensor]:
        spikes_TN = layer(leaf_TN, start_N)
        (gradient_TN,) = torch.autograd.grad(spikes_TN, leaf_TN, grad_TN)
        return spikes_TN.detach(), gradient_TN

    operations: dict[str, Callable[[], object]] = {"forward": forward, "training": training}
    return Contender(operations=operations, results=None if differs else results, differs=differs)


def _plan(hard: bool) -> Plan:
    return plan(LIF(tau_m=TAU, discretisation="euler", reset=ToValue() if hard else Subtract()))


def _ours(hard: bool) -> Layer:
    planned = _plan(hard)
    return lambda x_TN, _: run(planned, x_TN).outputs["spikes"]  # from rest, which is where ``start_N`` is


class Arctan(torch.autograd.Function):
    """The spike as anyone would write it in torch."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Fire where x >= 0."""
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Multiply by 1 / (1 + (pi x)^2)."""
        (x,) = ctx.saved_tensors
        result: Tensor = grad / (1 + (math.pi * x) ** 2)
        return result


def _loop(hard: bool) -> Layer:
    def layer(x_TN: Tensor, start_N: Tensor) -> Tensor:
        v_N, spikes = start_N, []
        for x_N in x_TN:
            h_N = v_N + (x_N - v_N) / TAU
            s_N: Tensor = Arctan.apply(h_N - 1.0)  # type: ignore[no-untyped-call] # torch's
            v_N = h_N * (1 - s_N) if hard else h_N - s_N
            spikes.append(s_N)
        return torch.stack(spikes)

    return layer


def _spikingjelly(hard: bool) -> Layer:
    from spikingjelly.activation_based import functional, surrogate

    arctan = surrogate.ATan(alpha=2.0)
    v_reset = 0.0 if hard else None

    def layer(x_TN: Tensor, start_N: Tensor) -> Tensor:
        spikes_TN: Tensor = functional.lif_multi_step(x_TN, start_N, TAU, True, 1.0, v_reset, arctan, False, False)[0]
        return spikes_TN

    return layer


def _snntorch(hard: bool) -> Layer:
    import snntorch

    mechanism, arctan = "zero" if hard else "subtract", snntorch.surrogate.atan(alpha=2.0)
    cell = snntorch.Leaky(beta=1 - 1 / TAU, spike_grad=arctan, reset_mechanism=mechanism)

    def layer(x_TN: Tensor, start_N: Tensor) -> Tensor:
        v_N, spikes = start_N, []
        for x_N in x_TN:
            s_N, v_N = cell(x_N, v_N)
            spikes.append(s_N)
        return torch.stack(spikes)

    return layer


def _norse(hard: bool) -> Layer:
    from norse.torch.functional import lif_box, reset

    parameters = lif_box.LIFBoxParameters(
        tau_mem_inv=torch.tensor(1000.0 / TAU),
        alpha=torch.tensor(10.0),
        reset_method=reset.reset_value if hard else reset.reset_subtract,
    )

    def layer(x_TN: Tensor, start_N: Tensor) -> Tensor:
        state, spikes = lif_box.LIFBoxFeedForwardState(v=start_N), []
        for x_N in x_TN:
            s_N, state = lif_box.lif_box_feed_forward_step(x_N, state, parameters)
            spikes.append(s_N)
        return torch.stack(spikes)

    return layer
