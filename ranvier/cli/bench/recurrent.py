"""One training step of a recurrent network on input like the Spiking Heidelberg Digits: 700 -> 256 recurrent -> 20.

8 % of the inputs are active; LIF neurons with a hard reset, leaky integrators as read-out, T = 100, cross-entropy on
the read-out's mean over time, Adam. "products alone" are the dense matrix products of the network without any neuron.
Letters: T time, B batch, I inputs, H hidden neurons, O outputs.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.cli.bench.lif_layer import Arctan
from ranvier.cli.bench.workload import Case, Contender, Least
from ranvier.core.reset import ToValue
from ranvier.core.seeds import numpy_generator
from ranvier.neurons import LIF, LeakyIntegrator
from ranvier.nn import EventLinear, Recurrent, Sequential

NAME = "recurrent"
WORDS = "A training step of a recurrent network"
CASES: tuple[Case, ...] = ({"T": 100, "B": 64, "I": 700, "H": 256, "O": 20, "density": 0.08},)
BETA = 0.9  # decay a step
TAU = -1.0 / math.log(BETA)
NEURON = LIF(tau_m=TAU, decay_input=False, reset=ToValue())
Data = tuple[Tensor, Tensor, Tensor, Tensor]


def least(case: Case, operation: str) -> Least:  # noqa: ARG001 - there is one operation
    """Return the operations of the dense products, of which active inputs alone need a part."""
    inputs, recurrent = case["I"] * case["H"], case["H"] * (case["H"] + case["O"])
    work = 2 * case["T"] * case["B"] * (2 * inputs + 3 * recurrent)
    numbers = case["T"] * case["B"] * (2 * case["I"] + 8 * case["H"])
    return Least(unit="step", count=1, float_operations=work, bytes=4 * numbers)


def contenders(case: Case) -> Mapping[str, Callable[[], Contender]]:
    """Return ours, the products alone, and a loop in plain torch."""
    return {
        "ours": lambda: _contender(case, network(case)),
        "products alone": lambda: _contender(case, Products(case), differs="has no neurons"),
        "torch loop": lambda: _contender(case, Loop(case)),
    }


def data(case: Case) -> Data:
    """Draw binary inputs (T, B, I), labels (B,), and weights (H, I) and (H, H)."""
    random = numpy_generator(0, "bench", "recurrent")
    x = random.random((case["T"], case["B"], case["I"])) < case["density"]
    labels = random.integers(0, case["O"], case["B"])
    w_in = random.normal(0, 0.48 / (case["I"] * case["density"]) ** 0.5, (case["H"], case["I"]))
    w_rec = random.normal(0, 0.3 / case["H"] ** 0.5, (case["H"], case["H"]))
    first, *rest = (torch.from_numpy(a) for a in (x, labels, w_in, w_rec))
    return first.float(), rest[0], rest[1].float(), rest[2].float()


def network(case: Case) -> nn.Module:
    """Build ours."""
    net = Sequential(
        EventLinear(case["I"], case["H"], bias=False), Recurrent(NEURON, case["H"]),
        EventLinear(case["H"], case["O"]), LeakyIntegrator(tau_m=TAU, decay_input=False),
    )  # fmt: skip
    _, _, w_in, w_rec = data(case)
    out = net[2]
    assert isinstance(out, nn.Linear)
    with torch.no_grad():
        dict(net[0].named_parameters())["weight"].copy_(w_in)
        dict(net[1].named_parameters())["weight"].copy_(w_rec)
    _read_out(out)
    return net


class Products(nn.Module):
    """The dense products alone."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        _, _, w_in, w_rec = data(case)
        self.w_in, self.w_rec = nn.Parameter(w_in), nn.Parameter(w_rec)
        self.out = _read_out(nn.Linear(case["H"], case["O"]))

    def forward(self, x_TBI: Tensor) -> Tensor:
        """Multiply."""
        s_TBH = F.linear(x_TBI, self.w_in)
        result: Tensor = self.out(F.linear(s_TBH, self.w_rec))
        return result


class Loop(Products):
    """The network as anyone would write it in torch."""

    def forward(self, x_TBI: Tensor) -> Tensor:
        """Run from rest."""
        v_BH = torch.zeros(x_TBI.shape[1], self.w_rec.shape[0])
        s_BH, spikes = torch.zeros_like(v_BH), []
        for x_BH in F.linear(x_TBI, self.w_in):
            h_BH = BETA * v_BH + x_BH + F.linear(s_BH, self.w_rec)
            s_BH = Arctan.apply(h_BH - 1.0)  # type: ignore[no-untyped-call] # torch's
            v_BH = h_BH * (1 - s_BH)
            spikes.append(s_BH)
        u_BO, read = torch.zeros(1), []
        for x_BO in self.out(torch.stack(spikes)):
            u_BO = BETA * u_BO + x_BO
            read.append(u_BO)
        return torch.stack(read)


def _read_out(layer: nn.Linear) -> nn.Linear:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 0.06)
        layer.bias.zero_()
    return layer


def _contender(case: Case, net: nn.Module, differs: str = "") -> Contender:
    x_TBI, labels_B, _, _ = data(case)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)

    def loss() -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        value = F.cross_entropy(net(x_TBI).mean(0), labels_B)
        torch.autograd.backward(value)
        return value.detach()

    def step() -> None:
        loss()
        optimiser.step()

    def results() -> tuple[Tensor, ...]:
        return loss(), next(p.grad for p in net.parameters() if p.grad is not None)

    return Contender(operations={"training": step}, results=None if differs else results, differs=differs)
