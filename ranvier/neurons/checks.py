"""Checks that neurons share when they are made."""

import math
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.params import parameters, require
from ranvier.core.reset import Reset


def check(neuron: Neuron) -> None:
    """Raise a ConfigError unless each parameter is finite and each closed choice one of those its annotation lists."""
    kind = type(neuron)
    for name, value in parameters(neuron).items():
        if not (math.isfinite(value) if isinstance(value, float) else bool(torch.isfinite(value).all())):
            got = repr(value) if isinstance(value, float) else "a tensor with NaN or infinity"
            raise ConfigError(f"{kind.__name__}.{name}", expected="a finite number", got=got)
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal:
            one_of(f"{kind.__name__}.{name}", getattr(neuron, name), hint)


def one_of(where: str, value: Any, choices: Any) -> None:
    """Raise a ConfigError unless ``value`` is one of a Literal's choices."""
    if value not in get_args(choices):
        words = " or ".join(repr(c) for c in get_args(choices))
        raise ConfigError(where, expected=words, got=repr(value))


def require_not_negative(neuron: Neuron, *names: str) -> None:
    """Raise a ConfigError unless every named parameter is >= 0."""
    for name in names:
        require(neuron, name, getattr(neuron, name) >= 0, "a number >= 0")


def require_reset(neuron: Neuron, *kinds: type[Reset]) -> None:
    """Raise a ConfigError unless the neuron's reset is of one of these kinds."""
    if not isinstance(neuron.reset, kinds):
        words = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"{type(neuron).__name__}.reset", expected=words, got=type(neuron.reset).__name__)
