"""Equations of a neuron, printed from the program that its step is traced into: what ``describe`` shows."""

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING

from torch import Tensor

from ranvier.core.errors import TraceError
from ranvier.core.params import parameters, unit_of
from ranvier.core.program import Builder, Op, Program
from ranvier.core.trace import trace_step

if TYPE_CHECKING:
    from ranvier.core.neuron import Neuron

# Sign and how tightly it binds, as in Python. A minus in front is bracketed wherever a product is.
_INFIX: Mapping[Op, tuple[str, int]] = {
    "gt": (">", 0), "ge": (">=", 0), "lt": ("<", 0), "le": ("<=", 0), "eq": ("==", 0), "ne": ("!=", 0),
    "or": ("|", 1), "and": ("&", 2), "add": ("+", 3), "sub": ("-", 3), "mul": ("*", 4), "div": ("/", 4),
    "pow": ("**", 6),
}  # fmt: skip
_SUM, _PRODUCT, _ATOM = 3, 4, 7
Names = Mapping[int, str]  # what values are called


def equations(neuron: "Neuron", *, dt: float) -> tuple[str, ...]:
    """Write one step of a neuron as formulas, fixed parameters put in as numbers.

    Tensors keep their names. A state field with a prime is its value after the step. H is the spike's step function.

    Args: dt: length of the step, ms.
    Returns: lines ``name = expression``, each using only names above it, the fields of the state and ``current``.
    Raises: TraceError if the step is not elementwise.
    """
    program = _tidy(trace_step(neuron, dt=dt))
    ends = dict(program.outputs)
    results = {"spikes": ends["spikes"], **{f"{field}'": ends[f"state.{field}"] for field in neuron.State._fields}}
    names = {v: name.removeprefix("state.").removeprefix("param.") for v, name in enumerate(program.inputs)}
    fresh = (name for name in (f"x{k}" for k in count(1)) if name not in names.values())
    # A result is written under its own name; what is used more than once gets a name of its own.
    own = {value: name for name, value in reversed(results.items()) if program.args(value)}
    uses = Counter(a for i in program.body for a in i.args)
    lines = []
    for value in _by_need(program, results.values()):
        if value in own or (uses[value] > 1 and program.args(value)):
            text = _write(program, names, value)
            names[value] = own[value] if value in own else next(fresh)
            lines.append(f"{names[value]} = {text}")
    rest = (name for name, value in results.items() if own.get(value) != name)
    return (*lines, *(f"{name} = {_write(program, names, results[name])}" for name in rest))


def page(neuron: "Neuron", equivalents: Mapping[str, str], *, dt: float) -> str:
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
    except TraceError as error:
        lines.append(f"  not elementwise, see the source of {kind.__name__}.step ({error})")
    lines += ["", "Elsewhere"]
    lines += [f"  {peer}: {equivalents.get(peer, 'no equivalent')}" for peer in ("SpikingJelly", "snnTorch", "Norse")]
    return "\n".join(lines)


def _tidy(program: Program) -> Program:
    """Drop what a reader need not see and a kernel may need: a detach, a product with 0."""
    builder = Builder(program.inputs)
    new = list(range(len(program.inputs)))
    for i in program.body:
        args = [new[a] for a in i.args]
        if i.op == "detach":
            new.append(args[0])
        elif i.op == "mul" and 0.0 in map(builder.constant, args):
            new.append(builder.const(0.0))
        else:
            new.append(builder.copy(i, args))
    return builder.finish({name: new[value] for name, value in program.outputs})


def _by_need(program: Program, ends: Iterable[int]) -> Iterable[int]:
    """List values in the order in which a reader who asks for ``ends`` needs them: operands just before their use."""
    found: dict[int, None] = {}
    waiting = [*ends][::-1]
    while waiting:
        missing = [a for a in program.args(waiting[-1]) if a not in found]
        if missing:
            waiting += missing[::-1]
        else:
            found[waiting.pop()] = None
    return found


def _write(program: Program, names: Names, value: int, bound: int = 0) -> str:
    """Write a value as an expression, in brackets if it binds less tightly than ``bound``."""
    if value in names:
        return names[value]
    i = program.body[value - len(program.inputs)]
    if i.op == "const":
        text, level = f"{i.constant:.6g}", _PRODUCT if i.constant < 0 else _ATOM
    elif i.op == "neg":
        text, level = f"-{_write(program, names, i.args[0], _PRODUCT + 1)}", _PRODUCT
    elif i.op in _INFIX:
        (sign, level), (left, right) = _INFIX[i.op], i.args
        opposite = _opposite(program, names, right) if level == _SUM else None
        if opposite is not None:
            sign = "-" if sign == "+" else "+"
        # Signs that bind equally are read from the left, but comparisons and powers are not.
        first = _write(program, names, left, level if level in (_SUM, _PRODUCT) else level + 1)
        text = f"{first} {sign} {opposite or _write(program, names, right, level + 1)}"
    else:
        function = "H" if i.op == "spike" else i.op
        text, level = f"{function}({', '.join(_write(program, names, a) for a in i.args)})", _ATOM
    return f"({text})" if level < bound else text


def _opposite(program: Program, names: Names, value: int) -> str | None:
    """Write -x for a value x that carries a minus of its own; None for any other."""
    if value in names:
        return None
    i = program.body[value - len(program.inputs)]
    if i.op == "const" and i.constant < 0:
        return f"{-i.constant:.6g}"
    return _write(program, names, i.args[0], _SUM + 1) if i.op == "neg" else None
