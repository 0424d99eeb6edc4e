"""Parameters of a neuron as parameters and buffers of a torch module, under their own names."""

from collections.abc import Iterable
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError, UnknownNameError
from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters
from ranvier.core.units import parse
from ranvier.kernels.dispatch import Executor
from ranvier.kernels.plan import plain_surrogate


def adopt(module: nn.Module, neuron: object, learn: Iterable[str]) -> Neuron:
    """Register what can change in a neuron: named parameters become ``nn.Parameter``, other tensors buffers.

    A parameter of a part of the neuron, "reset.v_reset", is registered under that name, in an empty submodule "reset".

    Args: module: the layer that will own them. learn: names of parameters, as ``parameters(neuron)`` gives them.
    Returns: the neuron with tensors in these places, for a plan.
    Raises: ConfigError, UnknownNameError.
    """
    where = type(module).__name__
    if not isinstance(neuron, Neuron):
        raise stranger(where, neuron, expected="a neuron description")
    neuron = plain_surrogate(neuron, where=where)
    known = parameters(neuron)
    if isinstance(learn, str):
        raise ConfigError(f"{where}.learn", expected="a tuple of names", got=repr(learn), mend=f"Write ({learn!r},).")
    names = tuple(learn)
    for name in names:
        if name not in known:
            raise UnknownNameError.among(f"{where}.learn", name, known, kind="parameter")
        if name.startswith("surrogate."):
            mend = "It shapes gradients but has none itself."
            raise ConfigError(f"{where}.learn", expected="a parameter of the dynamics", got=repr(name), mend=mend)
    tensors: dict[str, Tensor] = {}
    for name, value in known.items():
        if name in names or isinstance(value, Tensor):
            floating = torch.as_tensor(value).detach().clone()
            tensors[name] = floating if floating.is_floating_point() else floating.to(torch.get_default_dtype())
            holder, leaf = _holder(module, name)
            if name in names:
                holder.register_parameter(leaf, nn.Parameter(tensors[name].clone()))
            else:
                holder.register_buffer(leaf, tensors[name].clone())
    described: Neuron = bind(neuron, tensors)
    return described


def stranger(where: str, given: object, *, expected: str) -> ConfigError:
    """Make the error for something that is no layer and no neuron; a class is the usual slip."""
    if isinstance(given, type):
        mend = f"Write {given.__name__}()."
        return ConfigError(where, expected=expected, got=f"the class {given.__name__}", mend=mend)
    return ConfigError(where, expected=expected, got=repr(given))


def live(module: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Look up the present values of adopted parameters."""
    found: dict[str, Tensor] = {}
    for name in names:
        value: Any = module
        for part in name.split("."):
            value = getattr(value, part)
        found[name] = value
    return found


def check_broadcast(where: str, values: dict[str, Tensor], x_TB: Tensor) -> None:
    """Refuse parameters that do not spread over the neurons of an input.

    Raises: ShapeError.
    """
    shape = tuple(x_TB.shape[1:])
    for name, value in values.items():
        own = tuple(value.shape)
        padded = (1,) * (len(shape) - len(own)) + own
        if len(padded) != len(shape) or any(a not in (1, b) for a, b in zip(padded, shape, strict=True)):
            expected = f"{name} of a shape that broadcasts against (B, ...) = {shape}"
            mend = "One value a channel of (B, C, H, W) has shape (C, 1, 1)."
            raise ShapeError(where, expected=expected, got=str(own), mend=mend)


def checked_dt(where: str, dt: str | float) -> float:
    """Read a time step: a number of ms or a text such as "0.5 ms"."""
    value = parse(dt, "ms", where=f"{where}.dt")
    if not value > 0:
        raise ConfigError(f"{where}.dt", expected="a time step > 0 ms", got=repr(dt))
    return value


def checked_executor(where: str, executor: Executor) -> Executor:
    """Refuse an unknown executor."""
    if executor not in get_args(Executor):
        raise UnknownNameError.among(f"{where}.executor", str(executor), get_args(Executor), kind="executor")
    return executor


def _holder(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    *owners, leaf = name.split(".")
    for owner in owners:
        if owner not in module._modules:
            module.add_module(owner, nn.Module())
        module = module.get_submodule(owner)
    return module, leaf
