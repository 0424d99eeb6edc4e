"""Calling plain torch layers on sequences: time is folded into the batch. Axes: T time, B batch."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.lazy import LazyModuleMixin

from ranvier.core.errors import ConfigError, DtypeError, RanvierError, ShapeError
from ranvier.core.neuron import Neuron
from ranvier.kernels.packed import Form
from ranvier.nn.learned import stranger
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import TimeAware


def sees_time(layer: nn.Module) -> bool:
    """Tell whether a module is called with time: it is time-aware, or holds a module that is."""
    return any(isinstance(module, TimeAware) for module in layer.modules())


def as_layer(where: str, layer: Any, spikes: Form = "dense") -> nn.Module:
    """Turn what a container is given into a layer: a neuron description becomes ``Spiking``.

    Args: spikes: how such a neuron hands its spikes on.
    Raises: ConfigError for anything that is neither a neuron nor a module.
    """
    if isinstance(layer, Neuron):
        return Spiking(layer, spikes=spikes)
    if isinstance(layer, nn.Module):
        return layer
    raise stranger(where, layer, expected="a torch module or a neuron description")


def fold(layer: nn.Module, x_TB: Tensor) -> Tensor:
    """Call a plain layer on every time step at once: (T, B, ...) as (T * B, ...) and back.

    Raises: ConfigError if it does not return one tensor; ShapeError if it does not keep its batch axis.
    """
    num_steps, batch = x_TB.shape[:2]
    y = layer(x_TB.flatten(0, 1))
    where = type(layer).__name__
    if not isinstance(y, Tensor):
        mend = "Wrap it in a module of your own, derived from ranvier.nn.TimeAware if it needs time."
        raise ConfigError(where, expected="a layer that returns one tensor", got=f"a {type(y).__name__}", mend=mend)
    if y.ndim < 1 or y.shape[0] != num_steps * batch:
        expected = f"an output with the input's first axis, T * B = {num_steps * batch}"
        mend = "A layer that needs time derives from ranvier.nn.TimeAware."
        raise ShapeError(where, expected=expected, got=str(tuple(y.shape)), mend=mend)
    return y.reshape(num_steps, batch, *y.shape[1:])


class Folded(TimeAware):
    """A plain layer, called with time folded into the batch: what ``Sequential`` does by itself, said explicitly.

    Args: layer: a module on (B, ...), none of whose parts sees time.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = as_layer("Folded", layer)
        if sees_time(self.layer):
            mend = "Use it as it is."
            raise ConfigError("Folded", expected="a layer without time", got=type(layer).__name__, mend=mend)

    def forward(self, x_TB: Tensor) -> Tensor:
        """Call the layer on (T * B, ...)."""
        return fold(self.layer, x_TB)


def call(name: str, layer: nn.Module, x_TB: Tensor, way: Callable[[nn.Module, Tensor], Tensor] | None = None) -> Tensor:
    """Call a layer of a container, with time if it sees time, else folded; its errors carry its name.

    Args: way: how to call it, if not as it is.
    Raises: ShapeError, DtypeError that name the layer, for what torch says of a shape or type that does not fit.
    """
    timed = sees_time(layer)
    misfit = None if timed else _misfit(layer, x_TB)
    if misfit is not None:
        expected, mend = misfit
        raise ShapeError(_where(name, layer), expected=f"input {expected}", got=str(tuple(x_TB.shape)), mend=mend)
    if torch.compiler.is_compiling():
        return _apply(layer, x_TB, way, timed=timed)
    try:
        return _apply(layer, x_TB, way, timed=timed)
    except (ShapeError, DtypeError, ConfigError) as error:
        raise _renamed(name, error).with_traceback(error.__traceback__) from error.__cause__
    except RanvierError:
        raise
    except (RuntimeError, ValueError, IndexError, NotImplementedError) as error:
        fault = _translated(name, layer, x_TB, error)
        if fault is None:
            error.add_note(f"This happened in {_where(name, layer)}, called with {tuple(x_TB.shape)}.")
            raise
        raise fault from error


def _apply(
    layer: nn.Module, x_TB: Tensor, way: Callable[[nn.Module, Tensor], Tensor] | None = None, *, timed: bool
) -> Tensor:
    if way is not None:
        return way(layer, x_TB)
    if not timed:
        return fold(layer, x_TB)
    y_TB: Tensor = layer(x_TB)
    return y_TB


def _where(name: str, layer: nn.Module) -> str:
    return f'{type(layer).__name__} "{name}"'


def _renamed(name: str, error: RanvierError) -> RanvierError:
    """Put the container's name for a layer in front of the path in an error: ``Conv2d "2"`` -> ``Conv2d "enc.2"``."""
    head, path = re.fullmatch(r'(.*?)(?: "([^"]*)")?', error.where, re.DOTALL).groups()  # type: ignore[union-attr]
    full = name if path is None else f"{name}.{path}"
    return type(error)(f'{head} "{full}"', expected=error.expected, got=error.got, mend=error.mend)


_AXES = {1: "L", 2: "H, W", 3: "D, H, W"}


def _misfit(layer: nn.Module, x_TB: Tensor) -> tuple[str, str] | None:
    """Say what a common layer expects and how to mend it, None if the input fits or the layer is not known here.

    Checked before the call: a convolution takes an input that lacks an axis for a single sample, without a word.
    """
    if isinstance(layer, LazyModuleMixin) and layer.has_uninitialized_params():
        return None
    sizes = tuple(x_TB.shape[2:])
    if isinstance(layer, _ConvNd):
        space = _AXES[len(layer.kernel_size)]
        expected = f"(T, B, {layer.in_channels}, {space})"
        if len(sizes) != 1 + len(layer.kernel_size):
            return expected, "The number of axes differs."
        if sizes[0] != layer.in_channels:
            return expected, f"Channels differ. Build it with in_channels={sizes[0]}."
    elif isinstance(layer, nn.Linear):
        if not sizes or sizes[-1] != layer.in_features:
            flat = torch.Size(sizes).numel() == layer.in_features
            mend = "Put nn.Flatten() before it." if flat else ""
            if sizes and not flat:
                mend = f"Features differ. Build it with in_features={sizes[-1]}."
            return f"(T, B, ..., {layer.in_features})", mend
    elif isinstance(layer, _BatchNorm) and (not sizes or sizes[0] != layer.num_features):
        mend = f"Channels differ. Build it with num_features={sizes[0]}." if sizes else ""
        return f"(T, B, {layer.num_features}, ...)", mend
    return None


def _translated(name: str, layer: nn.Module, x_TB: Tensor, error: Exception) -> RanvierError | None:
    """Make our error of one of torch's, if it is about types or shapes."""
    weight = next((p for p in layer.parameters() if p.is_floating_point()), None)
    words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    about_type = re.search(r"dtype|scalar type|same type|Input type", words)
    if weight is not None and weight.dtype != x_TB.dtype and about_type:
        mend = f"Convert the input by .to({weight.dtype}), or the network."
        expected = f"an input of {weight.dtype}, as its weights"
        return DtypeError(_where(name, layer), expected=expected, got=str(x_TB.dtype), mend=mend)
    if re.search(r"size|shape|dimension|channel|\b\dD\b|values? per channel|stack expects", words):
        got = f"{tuple(x_TB.shape)} ({words.rstrip('.')})"
        return ShapeError(_where(name, layer), expected="an input that fits this layer", got=got)
    return None
