"""From a network and the shape of its frames to event-driven layers. Axes: C channels, M outputs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.lazy import LazyModuleMixin

from ranvier.core.errors import ConfigError, DtypeError, NonFiniteError, TraceError, UnknownNameError
from ranvier.core.neuron import Neuron
from ranvier.core.params import bind
from ranvier.kernels.dispatch import rest
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.plan import Plan
from ranvier.kernels.sparse.sizes import sizes_of, to_last
from ranvier.kernels.sparse.stages import Convolution, Delay, Flatten, Linear, Neurons, Recurrence
from ranvier.kernels.sparse.weights import Precision, Rows
from ranvier.nn.delay import Delay as DelayLayer
from ranvier.nn.dropout import Dropout
from ranvier.nn.inference.layers import Kept, KeptDelay, Layer
from ranvier.nn.inference.outside import Outsider, Stranger
from ranvier.nn.inference.products import CONVOLUTIONS, POOLS, Misfit, convolution, linear, merged, pooling
from ranvier.nn.learned import live
from ranvier.nn.lmu import L2MU
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.sequential import Sequential
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import is_compiled
from ranvier.nn.tdbn import TdBN

Named = list[tuple[str, nn.Module]]
Form = Callable[[str, Any, tuple[int, ...], Precision], Stranger]  # from path, layer, shape of its input, weights


def unroll(net: nn.Module, path: str = "") -> Named:
    """List the layers of nested containers in the order in which they run.

    Raises: ConfigError for a network that is no chain of layers.
    """
    if not isinstance(net, Sequential) and type(net) is not nn.Sequential:
        return [(path, net)]
    return [
        found for name, layer in net.named_children() for found in unroll(layer, f"{path}.{name}" if path else name)
    ]


def check(net: nn.Module) -> Named:
    """List the layers of a network that can be compiled.

    Raises: ConfigError, DtypeError, NonFiniteError that name the layer at fault.
    """
    where = "compile_for_inference"
    if not isinstance(net, nn.Module):
        raise ConfigError(where, expected="a network", got=f"a {type(net).__name__}")
    if is_compiled(net):
        mend = "Give it the network that was compiled."
        raise ConfigError(where, expected="a network as it was built", got="a compiled one", mend=mend)
    known = (Sequential, nn.Sequential, Spiking, Recurrent, DelayLayer, L2MU, nn.Linear, *CONVOLUTIONS, *POOLS)
    if not isinstance(net, known):
        mend = "Hold its layers in a ranvier.nn.Sequential; modules of your own inside it run dense."
        raise ConfigError(where, expected="a chain of layers", got=f"a {type(net).__name__}", mend=mend)
    for name, module in net.named_modules():
        if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():  # type: ignore[misc]
            mend = "Call the network once on an input first."
            raise ConfigError(f'{where}, "{name}"', expected="weights", got="a lazy layer without", mend=mend)
    for name, value in [*net.named_parameters(), *net.named_buffers()]:
        if value.device.type != "cpu":
            mend = "Move the network by .cpu()."
            raise ConfigError(f'{where}, "{name}"', expected="weights in main memory", got=str(value.device), mend=mend)
        if value.is_floating_point() and value.dtype != torch.float32:
            mend = 'Convert the network by .float(); say weights="bfloat16" or "int8" for smaller weights.'
            raise DtypeError(f'{where}, "{name}"', expected="float32", got=str(value.dtype), mend=mend)
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise NonFiniteError(f'{where}, "{name}"', expected="finite numbers", got="NaN or infinity")
    return unroll(net)


def check_precision(where: str, weights: Any) -> None:
    """Refuse what is no precision of weights. Raises: UnknownNameError."""
    if weights not in get_args(Precision):
        raise UnknownNameError.among(where, str(weights), get_args(Precision), kind="precision")


class Lowering:
    """Turns the layers of a network into stages, one after the other.

    Args:
        named: the layers. shape: of a frame, without batch. precision: of weights.
        forms: of layers that are networks of event-driven parts, {type: what makes them}.
    """

    def __init__(
        self, named: Named, shape: tuple[int, ...], precision: Precision, *, forms: Mapping[type, Form] | None = None
    ) -> None:
        self.named, self.shape, self.precision = named, shape, precision
        self.forms = forms or {}
        self.layers: list[Layer] = []
        self.outsiders: list[Stranger] = []
        self._flat_of: tuple[int, ...] | None = None  # the map that the present input is, flattened in name only
        self._merged: dict[str, str] = {}

    def run(self) -> list[Layer]:
        """Lower all layers."""
        for at, (path, module) in enumerate(self.named):
            if path in self._merged:
                self._add(path, module, note=f'merged into "{self._merged[path]}"')
            else:
                self._lower(at, path, module)
        return self.layers

    def _lower(self, at: int, path: str, module: nn.Module) -> None:
        if isinstance(module, nn.Identity | _DropoutNd | Dropout):
            self._add(path, module, note="dropped: it does nothing at inference")
            return
        try:
            if isinstance(module, nn.Linear):
                self._linear(at, path, module)
            elif isinstance(module, CONVOLUTIONS):
                self._convolution(at, path, module)
            elif isinstance(module, POOLS):
                stage, shape = pooling(module, self.shape)
                self._add(path, module, stage, shape)
            elif type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
                self._flatten(at, path, module)
            elif type(module) in (Spiking, Recurrent):
                self._neurons(path, module)
            elif type(module) is DelayLayer:
                self._delay(path, module)
            elif type(module) in self.forms:
                self._outside(path, module, self.forms[type(module)](path, module, self.shape, self.precision), "")
            else:
                raise Misfit("there is no event-driven form of it")
        except Misfit as reason:
            self._outside(path, module, Outsider(path, module, self.shape), f"runs dense: {reason}")

    def _outside(self, path: str, module: nn.Module, outsider: Stranger, note: str) -> None:
        self.outsiders.append(outsider)
        self._add(path, module, outsider.stage(), outsider.shape, note=note)

    def _add(
        self, path: str, module: nn.Module, stage: Any = None, shape: tuple[int, ...] | None = None, *, note: str = "",
        state: Any = None,
    ) -> None:  # fmt: skip
        title = module.title() if isinstance(module, Spiking | Recurrent) else type(module).__name__
        self.shape = self.shape if shape is None else shape
        self.layers.append(Layer(path=path, title=title, shape=self.shape, stage=stage, note=note, state=state))

    def _weights(self, at: int, path: str, layer: Any, outputs: int) -> tuple[Tensor, Tensor | None, str]:
        """Weights and bias of a layer with the norm after it merged in, and a note that says so."""
        following = next(
            ((p, m) for p, m in self.named[at + 1 :] if not isinstance(m, nn.Identity | _DropoutNd | Dropout)), None
        )
        bias = None if layer.bias is None else layer.bias.detach()
        if following is None or not _mergeable(following[1], outputs):
            return layer.weight.detach(), bias, ""
        self._merged[following[0]] = path
        return *merged(layer, *_gain_and_shift(following[1])), f'with the norm "{following[0]}"'

    def _linear(self, at: int, path: str, layer: nn.Linear) -> None:
        if self._flat_of is None and len(self.shape) != 1:
            raise Misfit(f"its input has the shape {self.shape}")
        if self.shape != (layer.in_features,):
            raise Misfit(f"its input has the shape {self.shape}")
        weight_MN, bias_M, note = self._weights(at, path, layer, layer.out_features)
        stage = linear(weight_MN, bias_M, self._flat_of or self.shape, self.precision)
        self._flat_of = None
        self._add(path, layer, stage, (layer.out_features,), note=note)

    def _convolution(self, at: int, path: str, layer: Any) -> None:
        weight, bias, note = self._weights(at, path, layer, layer.out_channels)
        try:
            stage, shape = convolution(layer, weight, bias, self.shape, self.precision)
        except Misfit:
            self._merged = {norm: owner for norm, owner in self._merged.items() if owner != path}
            raise
        self._add(path, layer, stage, shape, note=note)

    def _flatten(self, at: int, path: str, module: nn.Module) -> None:
        total = (sizes_of(self.shape).total,)
        rest_of = [m for _, m in self.named[at + 1 :] if not isinstance(m, nn.Identity | _DropoutNd | Dropout)]
        if rest_of and isinstance(rest_of[0], nn.Linear) and rest_of[0].in_features == total[0]:
            self._flat_of = self.shape
            self._add(path, module, shape=total, note="merged into the order of the next weights")
        else:
            plain = len(self.shape) == 1 or len(self.shape) > 3
            self._add(path, module, None if plain else Flatten(sizes=sizes_of(total)), total)

    def _neurons(self, path: str, layer: Any) -> None:
        plan: Plan = layer.plan
        if isinstance(plan.programs, TraceError):
            raise Misfit(f"the neuron's step cannot be traced ({plan.programs})")
        recurrence = None
        if isinstance(layer, Recurrent):
            if self.shape != (layer.size,):
                raise Misfit(f"its input has the shape {self.shape}")
            bias = None if layer.bias is None else layer.bias.detach()
            recurrence = Recurrence(Rows(layer.weight.detach().T, bias, self.precision))
        present = {name: value.detach() for name, value in live(layer, plan.learned).items()}
        neuron: Neuron = bind(plan.neuron, present) if present else plan.neuron
        found = (
            evaluate(plan.programs.prologue, {f"param.{name}": value.float() for name, value in present.items()})
            if present
            else {}
        )
        values = tuple(spread(found[name], self.shape) for name, _ in plan.programs.prologue.outputs)
        stage = Neurons(
            program=plan.programs.forward, values=values, sizes=sizes_of(self.shape), states=len(plan.fields),
            recurrence=recurrence,
        )  # fmt: skip
        at_rest = tuple(rest(neuron, torch.empty(1, *self.shape)))
        if recurrence is not None:
            at_rest = (*at_rest, torch.zeros(1, *self.shape))
        self._add(path, layer, stage, state=Kept(layer.state_type, self.shape, at_rest))

    def _delay(self, path: str, layer: DelayLayer) -> None:
        stage = Delay(steps=layer.num_steps, sizes=sizes_of(self.shape)) if layer.num_steps else None
        kept = KeptDelay(layer.state_type, self.shape, stage) if stage else None
        self._add(path, layer, stage, state=kept)


def spread(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Lay a neuron's coefficient out as (1,), one a channel (C,), or one a neuron, channels-last.

    Raises: Misfit if it does not spread over the neurons.
    """
    value = value.detach().float()
    if value.numel() == 1:
        return value.reshape(1)
    try:
        whole = to_last(value.expand(1, *shape))
    except RuntimeError:
        raise Misfit(f"a parameter of shape {tuple(value.shape)} for neurons {shape}") from None
    channels = whole.shape[-1]
    first = whole[0, 0, 0]
    return first.contiguous() if bool((whole == first).all()) and channels > 1 else whole.reshape(-1).contiguous()


def _mergeable(norm: nn.Module, features: int) -> bool:
    if not isinstance(norm, TdBN | _BatchNorm) or norm.running_mean is None or norm.running_var is None:
        return False
    return norm.num_features == features


def _gain_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """y = x * gain + shift, what a norm does in evaluation."""
    gain_M = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        gain_M = gain_M * norm.weight.detach()
    if isinstance(norm, TdBN):
        gain_M = gain_M * (norm.alpha * norm.v_th)
    shift_M = -norm.running_mean * gain_M
    return gain_M, shift_M if norm.bias is None else shift_M + norm.bias.detach()


def with_crossover(layer: Layer, crossover: float) -> Layer:
    """Return the layer with the density from which on its product is dense."""
    assert isinstance(layer.stage, Linear | Convolution)
    return replace(layer, stage=replace(layer.stage, crossover=crossover))
