"""Derive the backward program of a step: its vector-Jacobian product, written as another program.

Reverse accumulation over the instructions of the traced step. A spike's derivative is its surrogate's, traced where it
is needed; comparisons and roundings have none; a detach stops the flow. The rules are the textbook derivatives
(Griewank and Walther 2008, Evaluating Derivatives, section 3.2); the tests compare with torch.autograd.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from ranvier.core.errors import TraceError
from ranvier.core.program import Builder, Program
from ranvier.core.trace import trace_function

Partial = Callable[[Builder, Sequence[int], int, int], "list[int | None]"]


def _unary(rule: Callable[[Builder, int, int, int], int]) -> Partial:
    """Make the partial of a one-argument operation from ``rule(builder, x, y, gradient of y)``."""
    return lambda b, args, y, g: [rule(b, args[0], y, g)]


def _pow(b: Builder, args: Sequence[int], y: int, g: int) -> list[int | None]:
    base, exponent = args
    d_base = b.op("mul", exponent, b.op("pow", base, b.op("sub", exponent, b.const(1.0))))
    d_exponent = None if b.constant(exponent) is not None else b.op("mul", y, b.op("log", base))
    return [b.op("mul", g, d_base), None if d_exponent is None else b.op("mul", g, d_exponent)]


def _extremum(wins: str) -> Partial:
    """Make the partials of min or max; a tie shares the gradient equally, as torch does."""

    def rule(b: Builder, args: Sequence[int], y: int, g: int) -> list[int | None]:
        first, second = args
        shared = b.op("mul", g, b.op("where", b.op("eq", first, second), b.const(0.5), b.const(1.0)))
        won = b.op("ge", first, second) if wins == "max" else b.op("le", first, second)
        lost = b.op("le", first, second) if wins == "max" else b.op("ge", first, second)
        return [b.op("where", won, shared, b.const(0.0)), b.op("where", lost, shared, b.const(0.0))]

    return rule


def _square(b: Builder, x: int) -> int:
    return b.op("mul", x, x)


def _none(b: Builder, args: Sequence[int], y: int, g: int) -> list[int | None]:
    return [None] * len(args)


PARTIALS: Mapping[str, Partial] = {
    "neg": _unary(lambda b, x, y, g: b.op("neg", g)),
    "abs": _unary(lambda b, x, y, g: b.op("mul", g, b.op("sign", x))),
    "exp": _unary(lambda b, x, y, g: b.op("mul", g, y)),
    "expm1": _unary(lambda b, x, y, g: b.op("mul", g, b.op("add", y, b.const(1.0)))),
    "log": _unary(lambda b, x, y, g: b.op("div", g, x)),
    "log1p": _unary(lambda b, x, y, g: b.op("div", g, b.op("add", x, b.const(1.0)))),
    "sqrt": _unary(lambda b, x, y, g: b.op("div", g, b.op("mul", b.const(2.0), y))),
    "sin": _unary(lambda b, x, y, g: b.op("mul", g, b.op("cos", x))),
    "cos": _unary(lambda b, x, y, g: b.op("neg", b.op("mul", g, b.op("sin", x)))),
    "tanh": _unary(lambda b, x, y, g: b.op("mul", g, b.op("sub", b.const(1.0), _square(b, y)))),
    "sigmoid": _unary(lambda b, x, y, g: b.op("mul", g, b.op("mul", y, b.op("sub", b.const(1.0), y)))),
    "atan": _unary(lambda b, x, y, g: b.op("div", g, b.op("add", b.const(1.0), _square(b, x)))),
    "erf": _unary(
        lambda b, x, y, g: b.op(
            "mul", g, b.op("mul", b.const(2 / math.sqrt(math.pi)), b.op("exp", b.op("neg", _square(b, x))))
        )
    ),
    "add": lambda b, args, y, g: [g, g],
    "sub": lambda b, args, y, g: [g, b.op("neg", g)],
    "mul": lambda b, args, y, g: [b.op("mul", g, args[1]), b.op("mul", g, args[0])],
    "div": lambda b, args, y, g: [b.op("div", g, args[1]), b.op("neg", b.op("div", b.op("mul", g, y), args[1]))],
    "pow": _pow,
    "min": _extremum("min"),
    "max": _extremum("max"),
    "where": lambda b, args, y, g: [
        None, b.op("where", args[0], g, b.const(0.0)), b.op("where", args[0], b.const(0.0), g)
    ],
    **dict.fromkeys(
        ("sign", "floor", "round", "not", "detach", "gt", "ge", "lt", "le", "eq", "ne", "and", "or"), _none
    ),
}  # fmt: skip


def vjp(program: Program, wrt: Sequence[str], *, where: str = "step") -> Program:
    """Derive the program that carries gradients of a program's outputs back to some of its inputs.

    Args: program: freshly traced, with spikes. wrt: names of inputs. where: the neuron, named in errors.
    Returns: a program with the inputs of ``program`` and ``grad.OUTPUT`` for each output; its outputs are
        ``grad_INPUT`` for each of ``wrt``.
    Raises: TraceError if an operation has no derivative rule.
    """
    inputs = (*program.inputs, *(f"grad.{name}" for name, _ in program.outputs))
    b = Builder(inputs)
    forward = list(range(len(program.inputs)))
    for i in program.body:
        forward.append(b.lower(i, [forward[a] for a in i.args]))

    gradients: dict[int, int] = {}

    def give(value: int, gradient: int | None) -> None:
        if gradient is not None and b.constant(gradient) != 0.0:
            gradients[value] = b.op("add", gradients[value], gradient) if value in gradients else gradient

    for position, (_, value) in enumerate(program.outputs):
        give(value, len(program.inputs) + position)
    for index in reversed(range(len(program.body))):
        value, i = len(program.inputs) + index, program.body[index]
        if value not in gradients or i.op == "const":
            continue
        args, y, g = [forward[a] for a in i.args], forward[value], gradients[value]
        if i.op == "spike":
            assert i.surrogate is not None
            derivative = trace_function(f"{where}.surrogate", i.surrogate.derivative, b, args[0])
            give(i.args[0], b.op("mul", g, derivative))
            continue
        if i.op not in PARTIALS:
            raise TraceError(where, expected="operations with a derivative", got=i.op)
        for argument, gradient in zip(i.args, PARTIALS[i.op](b, args, y, g), strict=True):
            if program_needs_gradient(program, argument):
                give(argument, gradient)
    zero = b.const(0.0)
    number = {name: value for value, name in enumerate(program.inputs)}
    return b.finish({f"grad_{name}": gradients.get(number[name], zero) for name in wrt})


def program_needs_gradient(program: Program, value: int) -> bool:
    """Tell whether a value may carry a gradient at all: it is an input or computed, not a constant."""
    index = value - len(program.inputs)
    return index < 0 or program.body[index].op != "const"
