"""Frozen descriptions with parameters: what neurons, surrogates and resets have in common.

A subclass of ``Described`` is a frozen, keyword-only dataclass without saying so. Fields whose value is a float or a
tensor are its *parameters*: they may be written with a unit ("20 ms"), learned, or differ from neuron to neuron.
Fields of any other kind (bool, int, Literal, another description) are its structure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Self, dataclass_transform, get_type_hints

from torch import Tensor

from ranvier.core.errors import ConfigError, UnknownNameError
from ranvier.core.units import Unit, parse


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Described:
    """A frozen, typed description, checked once when it is made."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, eq=False)(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse what the description does not have. Raises: UnknownNameError with near names; ConfigError."""
        if args:
            mend = f"Write {cls.__name__}(name=value)."
            raise ConfigError(cls.__name__, expected="parameters by name", got=repr(args[0]), mend=mend)
        _check_names(cls, kwargs)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type] # every subclass is a dataclass
            value = getattr(self, field.name)
            if isinstance(field.default, Described) and not isinstance(value, kind := _root(type(field.default))):
                expected = f"a {kind.__name__} such as {type(field.default).__name__}()"
                mend = f"Write {value.__name__}()." if isinstance(value, type) and issubclass(value, kind) else ""
                raise ConfigError(f"{type(self).__name__}.{field.name}", expected=expected, got=repr(value), mend=mend)
            if isinstance(value, str) and isinstance(field.default, float):
                unit = unit_of(type(self), field.name)
                object.__setattr__(self, field.name, parse(value, unit, where=f"{type(self).__name__}.{field.name}"))
            elif isinstance(value, int) and isinstance(field.default, float):
                object.__setattr__(self, field.name, float(value))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]
        return all(a is b or (not isinstance(a, Tensor) and not isinstance(b, Tensor) and a == b) for a, b in pairs)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, f.name) for f in fields(self))))  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Self:
        """Make a copy with other values in some fields.

        Raises: UnknownNameError, with near names, for a field that does not exist.
        """
        _check_names(type(self), changes)
        return replace(self, **changes)  # type: ignore[type-var]


def _check_names(kind: type, given: Iterable[str]) -> None:
    known = [f.name for f in fields(kind)]
    for name in given:
        if name not in known:
            raise UnknownNameError.among(kind.__name__, name, known, kind="parameter")


def _root(kind: type) -> type:
    """Return what a description is in the first place: Reset for Subtract."""
    return [base for base in kind.__mro__ if issubclass(base, Described) and base is not Described][-1]


def unit_of(kind: type, name: str) -> str:
    """Return the unit symbol that the annotation of a field carries, "1" if it carries none."""
    hint = get_type_hints(kind, include_extras=True).get(name)
    return next((m.symbol for m in getattr(hint, "__metadata__", ()) if isinstance(m, Unit)), "1")


def parameters(description: Described) -> dict[str, float | Tensor]:
    """List the parameters of a description and of those inside it: ``{"tau_m": 20.0, "surrogate.alpha": 2.0}``."""
    found: dict[str, float | Tensor] = {}
    for field in fields(description):  # type: ignore[arg-type]
        value = getattr(description, field.name)
        if isinstance(value, float | Tensor):
            found[field.name] = value
        elif isinstance(value, Described):
            found.update({f"{field.name}.{name}": inner for name, inner in parameters(value).items()})
    return found


def bind(description: Described, values: dict[str, Any]) -> Any:
    """Copy a description with other values for the named parameters, without checking them.

    ``values`` may be anything that a step can calculate with: floats, tensors, or the symbols of a trace.

    Returns: a description of the same type.
    Raises: UnknownNameError for a name that is no parameter.
    """
    known = parameters(description)
    for name in values:
        if name not in known:
            raise UnknownNameError.among(type(description).__name__, name, known, kind="parameter")
    return _bind(description, values)


def _bind(description: Described, values: dict[str, Any]) -> Any:
    copy = object.__new__(type(description))
    for field in fields(description):  # type: ignore[arg-type]
        value = getattr(description, field.name)
        prefix = field.name + "."
        inner = {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}
        object.__setattr__(copy, field.name, _bind(value, inner) if inner else values.get(field.name, value))
    return copy


def require(description: Described, name: str, holds: bool | Tensor, expected: str) -> None:
    """Raise a ConfigError that names the field unless ``holds`` (everywhere, for a tensor)."""
    # A plain truth value stays one, so that a network can be built under torch.device("meta").
    if not (bool(holds.all()) if isinstance(holds, Tensor) else holds):
        got = getattr(description, name)
        words = f"a tensor with values in [{got.min():g}, {got.max():g}]" if isinstance(got, Tensor) else repr(got)
        raise ConfigError(f"{type(description).__name__}.{name}", expected=expected, got=words)


def require_positive(description: Described, *names: str) -> None:
    """Raise a ConfigError unless every named parameter is > 0 (and not NaN)."""
    for name in names:
        unit = unit_of(type(description), name)
        require(description, name, getattr(description, name) > 0, f"a number > 0{'' if unit == '1' else ' ' + unit}")
