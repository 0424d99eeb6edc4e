"""Trace a neuron's step into a program: the step is called once with symbols that write down what is done to them."""

import math
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ranvier.core.errors import TraceError
from ranvier.core.params import bind, parameters
from ranvier.core.program import Builder, Op, Program
from ranvier.core.surrogate import Soft, spike

if TYPE_CHECKING:
    from ranvier.core.neuron import Neuron


class Symbol:
    """A tensor in a trace: stands for one numbered value of the program being built."""

    def __init__(self, trace: "Trace", value: int) -> None:
        self._trace, self._value = trace, value

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        given = (*args, *(kwargs or {}).values())
        flat = (x for a in given for x in (a if isinstance(a, list | tuple) else (a,)))
        trace = next(x._trace for x in flat if isinstance(x, Symbol))
        return trace.call(func, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        method = getattr(torch.Tensor, name, None)
        if name.startswith("__") or not callable(method):
            raise self._trace.refuse(f"the attribute .{name} of a tensor")
        return lambda *args, **kwargs: self._trace.call(method, (self, *args), kwargs)

    @property
    def dtype(self) -> "Symbol":
        """Stand for the type of number, which is the same for all values; accepted by ``.to``."""
        return self

    def __neg__(self) -> "Symbol":
        return self._trace.call(operator.neg, (self,), {})

    def __abs__(self) -> "Symbol":
        return self._trace.call(torch.abs, (self,), {})

    def __invert__(self) -> "Symbol":
        return self._trace.call(torch.logical_not, (self,), {})

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise self._trace.refuse("a branch on the value of a tensor", "Use torch.where(condition, a, b).")

    def __float__(self) -> float:
        raise self._trace.refuse("a number made of a tensor", "Use functions that take both, such as ranvier.exp.")

    def __getitem__(self, index: Any) -> "Symbol":
        raise self._trace.refuse(f"the index {index!r} into a tensor")

    def __iter__(self) -> Iterator["Symbol"]:
        raise self._trace.refuse("a loop over a tensor")


def _binary(op: Callable[[Any, Any], Any], *, swap: bool = False) -> Callable[[Symbol, Any], Symbol]:
    def method(self: Symbol, other: Any) -> Symbol:
        return self._trace.call(op, (other, self) if swap else (self, other), {})

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "floordiv", "mod", "matmul"):
    setattr(Symbol, f"__{_name}__", _binary(getattr(operator, _name)))
    setattr(Symbol, f"__r{_name}__", _binary(getattr(operator, _name), swap=True))
for _name in ("gt", "ge", "lt", "le", "eq", "ne", "and_", "or_"):
    setattr(Symbol, f"__{_name.strip('_')}__", _binary(getattr(operator, _name)))
_DIRECT: dict[Op, tuple[str, ...]] = {
    "neg": ("neg", "negative"), "abs": ("abs", "absolute"), "sign": ("sign",), "floor": ("floor",),
    "round": ("round",), "exp": ("exp",), "expm1": ("expm1", "special.expm1"), "log": ("log",), "log1p": ("log1p",),
    "sqrt": ("sqrt",), "sin": ("sin",), "cos": ("cos",), "tanh": ("tanh",),
    "sigmoid": ("sigmoid", "special.expit"), "atan": ("atan", "arctan"), "erf": ("erf", "special.erf"),
    "add": ("add",), "sub": ("sub", "subtract"), "mul": ("mul", "multiply"),
    "div": ("div", "divide", "true_divide"), "min": ("minimum",), "max": ("maximum",),
    "gt": ("gt", "greater"), "ge": ("ge", "greater_equal"), "lt": ("lt", "less"), "le": ("le", "less_equal"),
    "eq": ("eq",), "ne": ("ne", "not_equal"), "and": ("logical_and",), "or": ("logical_or",),
    "not": ("logical_not",), "where": ("where",), "detach": ("detach",),
}  # fmt: skip


def _direct_table() -> dict[Any, Op]:
    table: dict[Any, Op] = {
        operator.add: "add", operator.sub: "sub", operator.mul: "mul", operator.truediv: "div", operator.neg: "neg",
        operator.gt: "gt", operator.ge: "ge", operator.lt: "lt", operator.le: "le", operator.eq: "eq",
        operator.ne: "ne", operator.and_: "and", operator.or_: "or",
    }  # fmt: skip
    for op, names in _DIRECT.items():
        for name in names:
            for home in (torch, torch.Tensor):
                with_dots = operator.attrgetter(name)
                try:
                    table[with_dots(home)] = op
                except AttributeError:
                    continue
    return table


class Trace:
    """Writes a program while a step runs on symbols."""

    def __init__(self, where: str, inputs: tuple[str, ...]) -> None:
        self.where, self.builder = where, Builder(inputs)
        self.table: dict[Any, Op] = _direct_table()

    def refuse(self, got: str, mend: str = "") -> TraceError:
        """Make the error for something that cannot be part of a kernel."""
        return TraceError(
            self.where, expected="elementwise operations of torch on the state and the current", got=got,
            mend=mend or 'Write it elementwise, or run this neuron with executor="reference".',
        )  # fmt: skip

    def value(self, x: Any) -> int:
        """Return the number of the value of a symbol, a Python number or a tensor with one element."""
        if isinstance(x, Symbol):
            if x._trace is not self:
                raise self.refuse("a tensor parameter of the surrogate", "Give the surrogate a number.")
            return x._value
        if isinstance(x, bool | int | float):
            return self.builder.const(float(x))
        if isinstance(x, Tensor) and x.numel() == 1 and not x.requires_grad:
            return self.builder.const(x.item())
        what = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)
        raise self.refuse(what, "Make it a parameter, that is, a field of the neuron.")

    def call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Symbol:
        """Write down one call."""
        if func in self.table and not kwargs:
            return Symbol(self, self.builder.op(self.table[func], *(self.value(a) for a in args)))
        name = getattr(func, "__name__", repr(func)).strip("_")
        special = getattr(self, f"_{name}", None)
        if func is spike:
            return self._spike(*args, **kwargs)
        if special is None:
            raise self.refuse(f"torch.{name}{' with ' + ', '.join(kwargs) if kwargs else ''}")
        try:
            return special(*args, **kwargs)  # type: ignore[no-any-return]
        except TraceError:
            raise
        except TypeError:
            raise self.refuse(f"torch.{name} with arguments a kernel has no use for") from None

    def _make(self, op: Op, *args: Any) -> Symbol:
        return Symbol(self, self.builder.op(op, *(self.value(a) for a in args)))

    def _spike(self, x: Symbol, surrogate: Any, *, strict: bool = False) -> Symbol:
        if isinstance(surrogate, Soft):
            return surrogate.primitive(x)  # type: ignore[arg-type, return-value] # symbols go where tensors go
        return Symbol(self, self.builder.spike(self.value(x), surrogate, strict))

    def _pow(self, base: Any, exponent: Any) -> Symbol:
        powers = {2.0: 2, 3.0: 3}  # torch multiplies for these, and so do we: the same bits
        if isinstance(exponent, int | float) and float(exponent) in powers:
            result = base
            for _ in range(powers[float(exponent)] - 1):
                result = result * base
            return result  # type: ignore[no-any-return]
        if isinstance(exponent, int | float) and exponent == 0.5:
            return self._make("sqrt", base)
        return self._make("pow", base, exponent)

    def _square(self, x: Any) -> Symbol:
        return self._make("mul", x, x)

    def _reciprocal(self, x: Any) -> Symbol:
        return self._make("div", 1.0, x)

    def _rsub(self, x: Any, other: Any) -> Symbol:
        return self._make("sub", other, x)

    def _relu(self, x: Any) -> Symbol:
        return self._make("max", x, 0.0)

    def _clamp(self, x: Any, min: Any = None, max: Any = None) -> Symbol:  # noqa: A002 - torch's names
        bounded = x if min is None else self._make("max", x, min)
        return bounded if max is None else self._make("min", bounded, max)

    _clip = _clamp

    def _heaviside(self, x: Any, values: Any) -> Symbol:
        return self._make("where", self._make("eq", x, 0.0), values, self._make("gt", x, 0.0))

    def _to(self, x: Any, dtype: Any = None) -> Symbol:
        if not isinstance(dtype, Symbol):
            raise self.refuse(f"a conversion to {dtype}", "Use .to(v.dtype): a kernel has one type of number.")
        return x  # type: ignore[no-any-return]

    def _float(self, x: Any) -> Symbol:
        return x  # type: ignore[no-any-return]

    def _type_as(self, x: Any, other: Any) -> Symbol:  # noqa: ARG002 - all values have one type
        return x  # type: ignore[no-any-return]

    def _clone(self, x: Any) -> Symbol:
        return x  # type: ignore[no-any-return]

    def _zeros_like(self, x: Any) -> Symbol:  # noqa: ARG002 - all values have one shape
        return Symbol(self, self.builder.const(0.0))

    def _ones_like(self, x: Any) -> Symbol:  # noqa: ARG002
        return Symbol(self, self.builder.const(1.0))

    def _full_like(self, x: Any, fill_value: Any) -> Symbol:  # noqa: ARG002
        return Symbol(self, self.value(fill_value))


def trace_step(neuron: "Neuron", *, dt: float) -> Program:
    """Trace one step of a neuron.

    Parameters that are numbers become constants; those that are tensors become inputs ``param.NAME``.

    Args: dt: length of the step, ms.
    Returns: a program with inputs ``state.*``, ``current``, ``param.*`` and outputs ``state.*``, ``spikes``.
    Raises: TraceError if the step is not elementwise.
    """
    learned = [name for name, value in parameters(neuron).items() if isinstance(value, Tensor)]
    fields = neuron.State._fields
    inputs = (*(f"state.{f}" for f in fields), "current", *(f"param.{name}" for name in learned))
    trace = Trace(f"{type(neuron).__name__}.step", inputs)
    symbols = [Symbol(trace, number) for number in range(len(inputs))]
    bound = bind(neuron, dict(zip(learned, symbols[len(fields) + 1 :], strict=True)))
    state, spikes = bound.step(neuron.State(*symbols[: len(fields)]), symbols[len(fields)], dt=dt)
    if type(state) is not neuron.State:
        raise trace.refuse(f"a new state of type {type(state).__name__}", "Return self.State(...) and the spikes.")
    outputs = {f"state.{f}": trace.value(s) for f, s in zip(fields, state, strict=True)}
    return trace.builder.finish(outputs | {"spikes": trace.value(spikes)})


def trace_function(where: str, function: Callable[..., Any], builder: Builder, *args: int) -> int:
    """Write an elementwise function of some values, such as a surrogate's derivative, into a program under way."""
    trace = Trace(where, ())
    trace.builder = builder
    result = function(*(Symbol(trace, a) for a in args))
    if isinstance(result, float) and math.isnan(result):
        raise trace.refuse("NaN")
    return trace.value(result)
