"""Programs: short, typed lists of elementwise instructions that every executor can run.

A program is in single-assignment form. Its values are numbered: the inputs first, then one value an instruction.
Truth values are 0 and 1. The text form is what travels through PyTorch's operators and exported graphs:

    in state.v current
    2 const 0.5
    3 mul 2 0
    4 add 3 1
    ...
    out state.v=7 spikes=6
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from ranvier.core.errors import FormatError
from ranvier.core.surrogate import Surrogate

Unary = Literal[
    "neg", "abs", "sign", "floor", "round", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sigmoid",
    "atan", "erf", "not", "detach",
]  # fmt: skip
Binary = Literal["add", "sub", "mul", "div", "pow", "min", "max", "gt", "ge", "lt", "le", "eq", "ne", "and", "or"]
Op = Literal[Unary, Binary, "const", "where", "spike"]
ARITY: dict[str, int] = {
    **dict.fromkeys(get_args(Unary), 1), **dict.fromkeys(get_args(Binary), 2), "const": 0, "where": 3, "spike": 1,
}  # fmt: skip
TRUTHS = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "and", "or", "not"})  # results that are 0 or 1


@dataclass(frozen=True, slots=True)
class Instruction:
    """One elementwise operation on numbered values.

    Args: op: what is done. args: numbers of the values it reads. constant: the value of a ``const``.
    surrogate, strict: of a ``spike``, which exists only in freshly traced programs; executors never see it.
    """

    op: Op
    args: tuple[int, ...] = ()
    constant: float = 0.0
    surrogate: Surrogate | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A straight-line elementwise program from named inputs to named outputs."""

    inputs: tuple[str, ...]
    body: tuple[Instruction, ...]
    outputs: tuple[tuple[str, int], ...]
    _hash: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        """Hash once: programs are looked up at every call."""
        if not self._hash:
            self._hash.append(hash((self.inputs, self.body, self.outputs)))
        return self._hash[0]

    def __str__(self) -> str:
        lines = ["in " + " ".join(self.inputs)]
        for number, instruction in enumerate(self.body, start=len(self.inputs)):
            operands = [repr(instruction.constant)] if instruction.op == "const" else [str(a) for a in instruction.args]
            lines.append(" ".join([str(number), instruction.op, *operands]))
        lines.append("out " + " ".join(f"{name}={value}" for name, value in self.outputs))
        return "\n".join(lines)

    def args(self, value: int) -> tuple[int, ...]:
        """Return the numbers of the values that a value is computed from; none for an input or a constant."""
        index = value - len(self.inputs)
        return self.body[index].args if index >= 0 else ()


def parse(text: str) -> Program:
    """Read a program from its text form, checking that every value is defined before it is used.

    Raises: FormatError that names the line.
    """
    lines = text.split("\n")

    def fail(number: int, expected: str) -> FormatError:
        return FormatError(f"program, line {number + 1}", expected=expected, got=repr(lines[number]))

    if len(lines) < 2 or not lines[0].startswith("in") or not lines[-1].startswith("out"):
        raise FormatError("program", expected="a first line 'in ...' and a last line 'out ...'", got=repr(text[:80]))
    inputs = tuple(lines[0].split()[1:])
    body: list[Instruction] = []
    for number, line in enumerate(lines[1:-1], start=1):
        words, known = line.split(), len(inputs) + len(body)
        if len(words) < 2 or words[0] != str(known) or words[1] not in ARITY or words[1] == "spike":
            raise fail(number, f"'{known} operation operands'")
        op: Op = words[1]  # type: ignore[assignment]
        try:
            if op == "const":
                body.append(Instruction(op, constant=float(words[2])))
                continue
            args = tuple(int(word) for word in words[2:])
        except (ValueError, IndexError):
            raise fail(number, "numbers as operands") from None
        if len(args) != ARITY[op] or not all(0 <= a < known for a in args):
            raise fail(number, f"{ARITY[op]} values below {known}")
        body.append(Instruction(op, args))
    outputs = []
    for word in lines[-1].split()[1:]:
        name, _, value = word.partition("=")
        if not value.isdecimal() or int(value) >= len(inputs) + len(body):
            raise fail(len(lines) - 1, "outputs 'name=value' of known values")
        outputs.append((name, int(value)))
    return Program(inputs, tuple(body), tuple(outputs))


FOLD: Mapping[str, Callable[..., float]] = {
    "neg": lambda a: -a, "abs": abs, "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p,
    "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tanh": math.tanh, "atan": math.atan, "erf": math.erf,
    "floor": math.floor, "round": round, "detach": lambda a: a, "not": lambda a: 1.0 - a,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": math.pow, "min": min, "max": max, "gt": lambda a, b: float(a > b), "ge": lambda a, b: float(a >= b),
    "lt": lambda a, b: float(a < b), "le": lambda a, b: float(a <= b), "eq": lambda a, b: float(a == b),
    "ne": lambda a, b: float(a != b),
}  # fmt: skip


@dataclass
class Builder:
    """Grows a program: shares equal instructions, folds constants, drops operations that change nothing.

    Only rewrites that leave every finite result the same to the last bit are made (x + 0, x * 1, x / 1, x - 0).
    """

    inputs: tuple[str, ...]
    body: list[Instruction] = field(default_factory=list)
    _known: dict[Instruction, int] = field(default_factory=dict)

    def const(self, value: float) -> int:
        """Return the number of a constant."""
        # 0.0 == -0.0, so the two would share a value without the sign in the key.
        return self._add(Instruction("const", constant=float(value), strict=math.copysign(1.0, value) < 0))

    def constant(self, value: int) -> float | None:
        """Return what a value is known to be, None if it is not constant."""
        index = value - len(self.inputs)
        return self.body[index].constant if index >= 0 and self.body[index].op == "const" else None

    def op(self, op: Op, *args: int) -> int:
        """Append an operation (or find an equal one) and return the number of its value."""
        known = [self.constant(a) for a in args]
        if op in FOLD and all(k is not None for k in known):
            try:
                return self.const(FOLD[op](*known))
            except (ArithmeticError, ValueError):
                pass  # 1/0 or log(-1): leave it to the executor, which gives inf or NaN as torch does
        if (op, known[-1]) in {("add", 0.0), ("sub", 0.0), ("mul", 1.0), ("div", 1.0)}:
            return args[0]
        if (op, known[0]) in {("add", 0.0), ("mul", 1.0)}:
            return args[1]
        if op == "where" and args[1] == args[2]:
            return args[1]
        return self._add(Instruction(op, args))

    def spike(self, x: int, surrogate: Surrogate, strict: bool) -> int:
        """Append a spike: 1 where x >= 0 (x > 0 if strict)."""
        return self._add(Instruction("spike", (x,), surrogate=surrogate, strict=strict))

    def copy(self, i: Instruction, args: Sequence[int]) -> int:
        """Append an instruction of another program, reading the values ``args`` of this one."""
        if i.op == "const":
            return self.const(i.constant)
        if i.op == "spike":
            assert i.surrogate is not None
            return self.spike(args[0], i.surrogate, i.strict)
        return self.op(i.op, *args)

    def lower(self, i: Instruction, args: Sequence[int]) -> int:
        """Append an instruction without what only derivatives care about.

        A spike becomes a comparison with 0, a detach its operand.
        """
        if i.op == "spike":
            return self.op("gt" if i.strict else "ge", args[0], self.const(0.0))
        return args[0] if i.op == "detach" else self.copy(i, args)

    def _add(self, instruction: Instruction) -> int:
        if instruction not in self._known:
            self._known[instruction] = len(self.inputs) + len(self.body)
            self.body.append(instruction)
        return self._known[instruction]

    def finish(self, outputs: Mapping[str, int]) -> Program:
        """Return the program that computes ``outputs``, without instructions that none of them needs."""
        return prune(Program(self.inputs, tuple(self.body), tuple(outputs.items())))


def prune(program: Program) -> Program:
    """Drop the instructions that no output needs; the inputs stay as they are."""
    offset = len(program.inputs)
    needed = {value for _, value in program.outputs}
    for index in reversed(range(len(program.body))):
        if index + offset in needed:
            needed.update(program.body[index].args)
    new = {value: value for value in range(offset)}
    body: list[Instruction] = []
    for index, i in enumerate(program.body):
        if index + offset in needed:
            new[index + offset] = offset + len(body)
            body.append(Instruction(i.op, tuple(new[a] for a in i.args), i.constant, i.surrogate, i.strict))
    return Program(program.inputs, tuple(body), tuple((name, new[value]) for name, value in program.outputs))


def lower(program: Program) -> Program:
    """Replace what only derivatives care about: a spike becomes a comparison with 0, a detach its operand."""
    builder = Builder(program.inputs)
    new = list(range(len(program.inputs)))
    for i in program.body:
        new.append(builder.lower(i, [new[a] for a in i.args]))
    return builder.finish({name: new[value] for name, value in program.outputs})
