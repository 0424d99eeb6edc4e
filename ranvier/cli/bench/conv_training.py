"""One training step of a convolutional spiking network: six convolutions with batch norm and LIF, SGD with momentum.

c, c, 2c, 2c, 4c, 4c channels, 2 x 2 average pooling after each pair, a linear read-out averaged over T steps,
cross-entropy; an image of 3 x 32 x 32 is shown at each step. "ours, compiled" is the whole network through
``torch.compile``; "torch.compile, bfloat16" is the torch loop so, in channels-last; "without neurons"
has ReLU for LIF: what convolutions, norms and the optimiser cost alone.
Convolutions need 6 operations a multiply-add of the forward pass (three products).
"""

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ranvier.cli.bench.lif_layer import TAU, Arctan
from ranvier.cli.bench.workload import Case, Contender, Least
from ranvier.core.reset import ToValue
from ranvier.kernels.packed import Form
from ranvier.neurons import LIF
from ranvier.nn import Sequential, compact_spikes

NAME = "conv-training"
WORDS = "A training step of a convolutional network"
CASES: tuple[Case, ...] = ({"T": 4, "B": 16, "c": 32}, {"T": 4, "B": 16, "c": 64})
Forward = Callable[[Tensor], Tensor]  # images (T, B, 3, 32, 32) -> scores (B, 10)


def least(case: Case, operation: str) -> Least:  # noqa: ARG001 - there is one operation
    """Return the operations of the convolutions, and their bytes.

    Forward each reads its input and writes its output; backward it reads the output's gradient twice and the input
    once, and writes the input's gradient.
    """
    c, frames = case["c"], case["T"] * case["B"]
    layers = ((3, c, 1024), (c, c, 1024), (c, 2 * c, 256), (2 * c, 2 * c, 256), (2 * c, 4 * c, 64), (4 * c, 4 * c, 64))
    products = sum(before * after * pixels for before, after, pixels in layers)
    numbers = sum(3 * (before + after) * pixels for before, after, pixels in layers)
    return Least(unit="step", count=1, float_operations=6 * 9 * frames * products, bytes=4 * frames * numbers)


def contenders(case: Case) -> Mapping[str, Callable[[], Contender]]:
    """Return ours in two precisions, the network without neurons, torch's own means, and peers."""
    return {
        "ours": lambda: ours(case, torch.float32),
        "ours, bfloat16": lambda: ours(case, torch.bfloat16),
        "ours, compiled": lambda: ours(case, torch.float32, compiled=True),
        "without neurons": lambda: _plain(case, nn.ReLU, torch.float32),
        "without neurons, bfloat16": lambda: _plain(case, nn.ReLU, torch.bfloat16),
        "torch loop": lambda: _plain(case, lambda: Loop(case["T"]), torch.float32, channels_last=False),
        "torch.compile, bfloat16": lambda: _plain(case, lambda: Loop(case["T"]), torch.bfloat16, compiled=True),
        "SpikingJelly": lambda: _spikingjelly(case),
    }


class Loop(nn.Module):
    """The neuron as anyone would write it in torch, on (T * B, ...)."""

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self.num_steps = num_steps

    def forward(self, x: Tensor) -> Tensor:
        """Run from rest."""
        x_TB = x.reshape(self.num_steps, -1, *x.shape[1:])
        v_B, spikes = torch.zeros_like(x_TB[0]), []
        for x_B in x_TB:
            h_B = v_B + (x_B - v_B) / TAU
            s_B: Tensor = Arctan.apply(h_B - 1.0)  # type: ignore[no-untyped-call] # torch's
            v_B = h_B * (1 - s_B)
            spikes.append(s_B)
        return torch.stack(spikes).flatten(0, 1)


def _layers(c: int, neuron: Callable[[], Any]) -> list[Any]:
    widths, layers = (3, c, c, 2 * c, 2 * c, 4 * c, 4 * c), list[Any]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for number, (before, after) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), neuron()]
            layers += [nn.AvgPool2d(2)] if number % 2 else []
        return [*layers, nn.Flatten(), nn.Linear(4 * c * 16, 10)]


def _contender(
    case: Case, net: nn.Module, forward: Forward, *, channels_last: bool = True, differs: str = ""
) -> Contender:
    generator = torch.Generator().manual_seed(0)
    x_BCHW = torch.randn(case["B"], 3, 32, 32, generator=generator)
    x_TBCHW = x_BCHW.unsqueeze(0).repeat(case["T"], 1, 1, 1, 1)
    if channels_last:
        x_TBCHW = x_TBCHW.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    y_B = torch.randint(10, (case["B"],), generator=generator)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    untrained = copy.deepcopy(net.state_dict())

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(cross_entropy(forward(x_TBCHW), y_B))
        optimiser.step()

    def results() -> tuple[Tensor, ...]:
        """Give loss and gradients of the untrained net in 64 bits: in 32 rounding decides spikes near the threshold."""
        net.load_state_dict(untrained)
        net.double().zero_grad()
        loss = cross_entropy(forward(x_TBCHW.double()), y_B)
        torch.autograd.backward(loss)
        gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None and p.ndim == 4]
        net.float()
        return loss.detach(), *gradients

    return Contender(operations={"training": step}, results=None if differs else results, differs=differs)


def ours(
    case: Case, dtype: torch.dtype, *, spikes: Form = "dense", compact: bool = False, compiled: bool = False
) -> Contender:
    """Make our contender.

    Args: spikes: how they are handed on. compact: whether it trains within ``compact_spikes``. compiled: whether the
        whole network goes through ``torch.compile``, as one graph.
    """
    neuron = LIF(tau_m=TAU, discretisation="euler", reset=ToValue())
    net = Sequential(*_layers(case["c"], lambda: neuron), spikes=spikes)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    run: Forward = torch.compile(net, fullgraph=True) if compiled else net

    def forward(x_TBCHW: Tensor) -> Tensor:
        less = compact_spikes() if compact else nullcontext()
        with less, torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            scores_TBK = run(x_TBCHW)
        return scores_TBK.mean(0).to(torch.promote_types(scores_TBK.dtype, torch.float32))

    differs = "16 bits" if dtype != torch.float32 else "its results are compared in tests" if compiled else ""
    return _contender(case, net, forward, differs=differs)


def _plain(
    case: Case, neuron: Callable[[], nn.Module], dtype: torch.dtype, *, channels_last: bool = True,
    compiled: bool = False,
) -> Contender:  # fmt: skip
    net = nn.Sequential(*_layers(case["c"], neuron))
    if channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it

    run: Forward = torch.compile(net, fullgraph=True) if compiled else net

    def forward(x_TBCHW: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            scores: Tensor = run(x_TBCHW.flatten(0, 1))
        return scores.to(torch.promote_types(scores.dtype, torch.float32)).reshape(case["T"], case["B"], -1).mean(0)

    differs = "has no neurons" if neuron is nn.ReLU else "16 bits, its state too" if dtype != torch.float32 else ""
    return _contender(case, net, forward, channels_last=channels_last, differs=differs)


def _spikingjelly(case: Case) -> Contender:
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    kinds = {nn.Conv2d: layer.Conv2d, nn.BatchNorm2d: layer.BatchNorm2d, nn.AvgPool2d: layer.AvgPool2d}
    plain = _layers(case["c"], lambda: neuron.LIFNode(tau=TAU, surrogate_function=surrogate.ATan()))
    for place, module in enumerate(plain):
        if type(module) is nn.Conv2d:
            plain[place] = layer.Conv2d(module.in_channels, module.out_channels, 3, padding=1, bias=False)
            plain[place].load_state_dict(module.state_dict())
        elif type(module) is nn.BatchNorm2d:
            plain[place] = kinds[nn.BatchNorm2d](module.num_features)
        elif type(module) is nn.AvgPool2d:
            plain[place] = kinds[nn.AvgPool2d](2)
        elif type(module) is nn.Flatten:
            plain[place] = layer.Flatten()
        elif type(module) is nn.Linear:
            plain[place] = layer.Linear(module.in_features, module.out_features)
            plain[place].load_state_dict(module.state_dict())
    net = nn.Sequential(*plain)
    functional.set_step_mode(net, "m")

    def forward(x_TBCHW: Tensor) -> Tensor:
        functional.reset_net(net)
        scores_TBK: Tensor = net(x_TBCHW)
        return scores_TBK.mean(0)

    return _contender(case, net, forward, channels_last=False)
