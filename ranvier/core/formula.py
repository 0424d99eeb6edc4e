"""Equations of a neuron, written down by running its step on terms instead of tensors: what ``describe`` prints."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from ranvier.core.params import bind, parameters, unit_of
from ranvier.core.surrogate import spike

_INFIX = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4, ">": 0, ">=": 0, "<": 0, "<=": 0, "==": 0, "!=": 0, "&": 0, "|": 0}
_METHODS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**", "gt": ">", "ge": ">=", "lt": "<", "le": "<=",
    "eq": "==", "ne": "!=", "and": "&", "or": "|",
}  # fmt: skip
_CONSTANT = {"zeros_like": 0.0, "ones_like": 1.0}
_TRANSPARENT = {"detach", "to", "float", "type_as", "clone"}  # they change no value


class Term:
    """A value in a formula: a name, or an operation on other terms and numbers. Equal terms are one object."""

    def __init__(self, known: dict[Any, "Term"], op: str, args: tuple[Any, ...]) -> None:
        self._known, self._op, self._args = known, op, args

    def _make(self, op: str, *args: Any) -> Any:
        if op in _TRANSPARENT:
            return args[0]
        if (op in ("+", "-") and _is(args[1], 0)) or (op in ("*", "/", "**") and _is(args[1], 1)):
            return args[0]
        if op == "*" and (_is(args[0], 0) or _is(args[1], 0)):
            return 0.0
        if (op == "+" and _is(args[0], 0)) or (op == "*" and _is(args[0], 1)):
            return args[1]
        key = (op, *((a._op, id(a)) if isinstance(a, Term) else repr(a) for a in args))
        return self._known.setdefault(key, Term(self._known, op, args))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        term = next(a for a in (*args, *kwargs.values()) if isinstance(a, Term))
        if func is spike:
            return term._make("Hs" if kwargs.get("strict") else "H", args[0])
        return term._call(getattr(func, "__name__", repr(func)), *args, **kwargs)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        name = _METHODS.get(name, name)
        if name in _CONSTANT:
            return _CONSTANT[name]
        if name == "clamp":
            x, low, high = [*args, None, None][:3]
            for bound, op in ((kwargs.get("min", low), "max"), (kwargs.get("max", high), "min")):
                x = x if bound is None else self._make(op, x, bound)
            return x
        return self._make(name, *args, *kwargs.values())

    def __getattr__(self, name: str) -> Any:
        if name == "dtype":
            return self
        if name.startswith("__") or not callable(getattr(Tensor, name, None)):
            raise AttributeError(name)
        return lambda *args, **kwargs: self._call(name, self, *args, **kwargs)

    def __bool__(self) -> bool:
        raise TypeError("a formula has no truth value")

    def __neg__(self) -> Any:
        return self._make("*", -1.0, self)

    def __abs__(self) -> Any:
        return self._make("abs", self)

    __hash__ = object.__hash__


def _operator(op: str, *, swap: bool = False) -> Callable[[Term, Any], Any]:
    return lambda self, other: self._make(op, other, self) if swap else self._make(op, self, other)


for _name, _op in _METHODS.items():
    setattr(Term, f"__{_name}__", _operator(_op))
    setattr(Term, f"__r{_name}__", _operator(_op, swap=True))


def _is(value: Any, number: float) -> bool:
    return isinstance(value, int | float) and value == number


def _visit(value: Any, seen: Counter[Term]) -> Iterator[Term]:
    """Yield each operation below a value once, operands first, counting how often each is used."""
    if isinstance(value, Term):
        seen[value] += 1
        if seen[value] == 1:
            for argument in value._args:
                yield from _visit(argument, seen)
            if value._op != "name":
                yield value


def _write(value: Any, names: dict[Term, str], bound: int = -1, *, root: bool = False) -> str:
    if not isinstance(value, Term):
        text = f"{value:.6g}" if isinstance(value, int | float) else str(value)
        return f"({text})" if text.startswith("-") and bound > 2 else text
    if value in names and not root:
        return names[value]
    op, args = value._op, value._args
    if op == "name":
        return str(args[0])
    if op in _INFIX:
        level = _INFIX[op]
        left = _write(args[0], names, level)
        right = args[1]
        if op == "+" and isinstance(right, int | float) and right < 0:
            op, right = "-", -right
        elif op == "-" and isinstance(right, int | float) and right < 0:
            op, right = "+", -right
        text = f"{left} {op} {_write(right, names, level + 1)}"
        return f"({text})" if level < bound else text
    function = {"Hs": "H", "abs": "abs"}.get(op, op)
    return f"{function}({', '.join(_write(a, names) for a in args)})"


def equations(neuron: Any, *, dt: float) -> tuple[str, ...]:
    """Write one step of a neuron as formulas, fixed parameters put in as numbers.

    Tensors keep their names. A state field with a prime is its value after the step. H is the spike's step function.

    Args: neuron: a ``Neuron``. dt: length of the step, ms.
    Returns: lines ``name = expression``, each using only names above it, the fields of the state and ``current``.
    Raises: TypeError if the step is not elementwise.
    """
    known: dict[Any, Term] = {}
    learned = [name for name, value in parameters(neuron).items() if isinstance(value, Tensor)]
    fields = neuron.State._fields
    terms = {name: Term(known, "name", (name,)) for name in (*learned, *fields, "current")}
    bound = bind(neuron, {name: terms[name] for name in learned})
    state, output = bound.step(neuron.State(*(terms[field] for field in fields)), terms["current"], dt=dt)
    results = {"spikes": output, **{f"{field}'": value for field, value in zip(fields, state, strict=True)}}
    uses: Counter[Term] = Counter()
    order = [term for value in results.values() for term in _visit(value, uses)]
    names: dict[Term, str] = {}
    lines = []
    finals = {value: name for name, value in reversed(results.items()) if value in set(order)}
    for term in order:
        # A result is written under its own name; what is used more than once gets a name of its own.
        if term in finals:
            names[term] = finals[term]
        elif uses[term] > 1:
            names[term] = f"x{1 + sum(n.startswith('x') for n in names.values())}"
        else:
            continue
        lines.append(f"{names[term]} = {_write(term, names, root=True)}")
    rest = (name for name, value in results.items() if finals.get(value) != name)
    return (*lines, *(f"{name} = {_write(results[name], names)}" for name in rest))


def page(neuron: Any, equivalents: Mapping[str, str], *, dt: float) -> str:
    """Lay out what ``Neuron.describe`` prints: parameters, the equations of one step, names in other libraries."""
    kind = type(neuron)
    lines = [f"{kind.__name__}: {inspect.getdoc(kind) or ''}".split("\n")[0], "", "Parameters"]
    for name, value in parameters(neuron).items():
        holder, field = (getattr(neuron, name.split(".")[0]), name.split(".")[1]) if "." in name else (neuron, name)
        unit = unit_of(type(holder), field)
        words = f"tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value:g}"
        lines.append(f"  {name} = {words}{'' if unit == '1' else ' ' + unit}")
    lines += ["", f"One step of {dt:g} ms (H(x) = 1 where x {'>' if neuron.strict else '>='} 0, else 0)"]
    try:
        lines += [f"  {line}" for line in equations(neuron, dt=dt)]
    except (TypeError, AttributeError) as error:
        lines.append(f"  not elementwise, see the source of {kind.__name__}.step ({error})")
    lines += ["", "Elsewhere"]
    lines += [f"  {peer}: {equivalents.get(peer, 'no equivalent')}" for peer in ("SpikingJelly", "snnTorch", "Norse")]
    return "\n".join(lines)
