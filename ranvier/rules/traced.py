"""Affine layers whose weights learn from a trace of their input instead of the input of the step.

Letters: B batch, N features in, M features out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ranvier.core.errors import ConfigError
from ranvier.core.params import parameters
from ranvier.core.reset import NoReset
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.scan.run import matrices
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.spiking import Spiking


class _Shown(torch.autograd.Function):
    """A tensor with the value of one and the gradient of another."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, carrier: Tensor) -> Tensor:  # noqa: ARG004 - torch's signature
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:  # noqa: ARG004 - torch's
        return None, grad


@dataclass
class _Trace:
    """The trace of a layer's input, and of the constant 1 that its bias weighs."""

    input_BN: Tensor
    one: float
    leak: float | None = None  # of the neurons that the layer drives; None: it drives none


class Traces:
    """The traces of a network that is run step by step, a[t] = leak a[t-1] + x[t]. Holds them for one batch."""

    def __init__(self, rule: str, *, of_input: bool) -> None:
        self.rule, self.of_input = rule, of_input
        self._traces: dict[nn.Module, _Trace] = {}
        self._waiting: list[nn.Module] = []  # layers that have run but not yet the neurons they drive
        self._seen: set[nn.Module] = set()  # layers that ran in this step
        self._after_neurons = False  # whether neurons ran before, so that inputs are spikes

    @contextmanager
    def follow(self, net: nn.Module) -> Iterator[None]:
        """Put traces in the place of inputs, as far as gradients of weights go, while this is open.

        Raises: ConfigError for layers and neurons that this is not defined for; see ``OTTT``.
        """
        hooks: list[Any] = []
        for path, module in net.named_modules():
            if isinstance(module, Recurrent):
                expected = f'layers without connections among their neurons, at "{path}"'
                raise ConfigError(self.rule, expected=expected, got="a Recurrent one", mend="EProp learns those.")
            if isinstance(module, Spiking):
                hooks.append(module.register_forward_hook(self._after_spikes))
            elif isinstance(module, nn.Linear | _ConvNd) and not isinstance(module, _ConvTransposeNd):
                hooks.append(module.register_forward_hook(self._after_affine))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def next_step(self) -> None:
        """Go on to the next step."""
        self._seen.clear()
        self._waiting.clear()
        self._after_neurons = False

    def _after_spikes(self, layer: Spiking, args: Any, output: Any) -> None:  # noqa: ARG002 - torch's signature
        self._after_neurons = True
        for before in self._waiting:
            trace = self._traces[before]
            if trace.leak is None:
                trace.leak = leak_of(layer, self.rule)
        self._waiting.clear()

    def _after_affine(self, layer: Any, args: tuple[Tensor], output: Tensor) -> Tensor | None:
        if not (self._after_neurons or self.of_input):
            return None
        if layer in self._seen:
            got = f"{type(layer).__name__} a second time"
            raise ConfigError(self.rule, expected="each layer once a step", got=got, mend="Build one for each place.")
        self._seen.add(layer)
        self._waiting.append(layer)
        (x_BN,) = args
        trace = self._traces.get(layer)
        if trace is None:  # the first step, where the trace is the input
            self._traces[layer] = _Trace(x_BN.detach(), 1.0)
            return None
        if trace.leak is None:
            return None
        trace.input_BN = trace.leak * trace.input_BN + x_BN.detach()
        trace.one = trace.leak * trace.one + 1.0
        if not torch.is_grad_enabled():
            return None
        # Past the hooks: forward itself. Its value is of no use, its gradients are those wanted.
        carrier_BM = layer.forward(_Shown.apply(trace.input_BN, x_BN))  # type: ignore[no-untyped-call] # torch's
        if layer.bias is not None:
            sizes = (-1,) + (1,) * (len(layer.kernel_size) if isinstance(layer, _ConvNd) else 0)
            carrier_BM = carrier_BM + (trace.one - 1.0) * layer.bias.view(sizes)
        shown: Tensor = _Shown.apply(output.detach(), carrier_BM)  # type: ignore[no-untyped-call]
        return shown


def leak_of(layer: Spiking, rule: str) -> float:
    """Return what is left of a layer's membranes after a step, dv[t] / dv[t-1] without reset.

    Raises: ConfigError, in the name of a rule, unless it is one constant for the whole layer.
    """
    neuron, expected = layer.neuron, "neurons whose state is a membrane with a constant leak, such as LIF"
    if neuron.State._fields != ("v",):
        got = f"{layer.title()}, state ({', '.join(neuron.State._fields)})"
        raise ConfigError(rule, expected=expected, got=got)
    try:
        found = matrices(neuron.replace(reset=NoReset()), layer.dt)
    except ConfigError as error:  # of a neuron that is not whole without its own reset
        found = str(error)
    if isinstance(found, str):
        raise ConfigError(rule, expected=expected, got=f"{layer.title()}, where {found}")
    if found.varies:
        raise ConfigError(rule, expected=expected, got=f"{layer.title()}, whose leak depends on its input")
    known = {f"param.{name}": value for name, value in parameters(neuron).items() if isinstance(value, Tensor)}
    known["current"] = torch.zeros((), dtype=torch.float64)
    leak = torch.as_tensor(
        evaluate(found.program, {name: known[name] for name in found.program.inputs})["A.v.v"], dtype=torch.float64
    )
    if leak.numel() > 1 and bool((leak != leak.flatten()[0]).any()):
        raise ConfigError(rule, expected="one leak for all neurons of a layer", got=f"several in {layer.title()}")
    return float(leak.flatten()[0])
