"""Encode a program for the vector machine: choose fused instructions, allocate registers, number the slots.

The machine's instructions read and write slots: registers, constants, coefficients, and the rows of memory that a step
works on. Results are written straight to their rows. An instruction is six integers: opcode, target, four operands.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ranvier.core.program import Program

FIRST = frozenset({"add", "sub", "mul", "div"})  # may be the first half of a fused pair
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})
# What an operation is called when the fused value is its second operand.
REVERSED = {
    "add": "add", "mul": "mul", "sub": "rsub", "div": "rdiv", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge",
}  # fmt: skip
WORDS = 6


class Encoded(NamedTuple):
    """A program as the machine takes it: how many slots of each kind, and the instructions."""

    registers: int
    coefficients: int
    states: int
    outputs: int
    constants: list[float]
    words: list[int]
    in_place: list[bool]  # per state: its new value may overwrite the old one


Operand = int | str  # a value of the program, or the name of a result


@dataclass(frozen=True, slots=True)
class Operation:
    """An instruction of the machine before slots are numbered."""

    name: str
    args: tuple[Operand, ...]
    target: Operand


def encode(program: Program, opcodes: Mapping[str, int]) -> Encoded:
    """Encode a lowered program.

    Args: program: a forward program, or the backward program of one (recognised by its inputs ``grad.*``).
        opcodes: the machine's instructions by name; a fused one that is absent is not used.
    """
    sums = {name: value for name, value in program.outputs if name.startswith("grad_coef.")}
    results = {name: value for name, value in program.outputs if name not in sums}
    operations = select(program, opcodes)
    homes, copies = place(results, {o.target for o in operations})
    operations += copies

    read = {a for o in operations for a in o.args}
    constants = [v for v in read if isinstance(v, int) and _constant(program, v) is not None]
    places: list[Operand] = [*constants, *_inputs(program), *_results(program)]
    registers, num_registers = allocate(operations, known={*places, *homes})
    slots = registers | {place: num_registers + k for k, place in enumerate(places)}
    slots |= {value: slots[name] for value, name in homes.items()}

    words: list[int] = []
    for o in operations:
        operands = [slots[a] for a in o.args]
        words += [opcodes[o.name], slots[o.target], *operands, *[0] * (WORDS - 2 - len(operands))]
    states = [name.removeprefix("state.") for name in program.inputs if name.startswith("state.")]
    return Encoded(
        registers=num_registers,
        coefficients=sum(name.startswith("coef.") for name in program.inputs),
        states=len(states),
        outputs=sum(name.startswith(("grad.out.", "out.")) for name in (*program.inputs, *results)),
        constants=[program.body[v - len(program.inputs)].constant for v in constants],
        words=words,
        in_place=[_in_place(program, operations, slots, state) for state in states],
    )


def _constant(program: Program, value: int) -> float | None:
    index = value - len(program.inputs)
    return program.body[index].constant if index >= 0 and program.body[index].op == "const" else None


def _inputs(program: Program) -> list[Operand]:
    """List the inputs in the order of their slots: coef, current, state, grad.state, grad.out."""
    order = ("coef.", "current", "state.", "grad.state.", "grad.out.")
    rank = {name: next(k for k, prefix in enumerate(order) if name.startswith(prefix)) for name in program.inputs}
    number = {name: int(name[5:]) if name.startswith("coef.") else 0 for name in program.inputs}
    return [program.inputs.index(n) for n in sorted(program.inputs, key=lambda name: (rank[name], number[name]))]


def _results(program: Program) -> list[Operand]:
    """List the results in the order of their slots: state, out; or grad_current, grad_state, grad_coef."""
    names = [name for name, _ in program.outputs]
    order = ("state.", "out.", "grad_current", "grad_state.")
    ordered: list[Operand] = [name for prefix in order for name in names if name.startswith(prefix)]
    return ordered + [f"grad_coef.{k}" for k in range(sum(name.startswith("grad_coef.") for name in names))]


def select(program: Program, opcodes: Mapping[str, int]) -> list[Operation]:
    """Choose the instructions: fuse a value that is read once with its reader where the machine has both as one."""
    values = enumerate(program.body, start=len(program.inputs))
    plain = [Operation(i.op, i.args, value) for value, i in values if i.op != "const"]
    plain += [Operation("add", (name, value), name) for name, value in program.outputs if name.startswith("grad_coef.")]
    uses = Counter(a for o in plain for a in o.args)
    uses.update(value for name, value in program.outputs if not name.startswith("grad_coef."))
    chosen: dict[Operand, Operation] = {}
    for o in plain:
        once: dict[Operand, Operation] = {a: chosen[a] for a in o.args if uses[a] == 1 and a in chosen}
        fused, taken = _fuse(o, once, opcodes)
        for value in taken:
            del chosen[value]
        chosen[o.target] = fused
    return list(chosen.values())


def _fuse(
    o: Operation, once: Mapping[Operand, Operation], opcodes: Mapping[str, int]
) -> tuple[Operation, list[Operand]]:
    """Fuse an operation with operands of ``once``; return the result and the operands that it swallowed."""
    first, second = (*o.args, None, None)[:2]
    left, right = (once.get(a) if a is not None else None for a in (first, second))
    candidates: list[tuple[Operation, list[Operation]]] = []
    if left and right:
        candidates.append(
            (replace(o, name=f"{left.name}_{right.name}_{o.name}", args=left.args + right.args), [left, right])
        )
    for inner, other in ((left, second), (right, first)):
        if inner and inner.name == "neg" and o.name in ("add", "sub"):
            candidates.append((_without_neg(o, inner), [inner]))
        elif inner and inner.name in FIRST and other is not None and len(o.args) == 2:
            name = o.name if inner is left else REVERSED.get(o.name, "")
            candidates.append((replace(o, name=f"{inner.name}_{name}", args=(*inner.args, other)), [inner]))
    if left and o.name == "where" and left.name in COMPARISONS:
        candidates.append((replace(o, name=f"{left.name}_where", args=left.args + o.args[1:]), [left]))
    for fused, swallowed in candidates:
        if fused.name in opcodes and len(fused.args) <= WORDS - 2:
            return fused, [inner.target for inner in swallowed]
    return o, []


def _without_neg(o: Operation, neg: Operation) -> Operation:
    """Rewrite a + -b, -a + b and a - -b without the negation: the same to the last bit. -a - b stays."""
    first, second = o.args
    if second == neg.target:
        return replace(o, name="sub" if o.name == "add" else "add", args=(first, *neg.args))
    return replace(o, name="sub" if o.name == "add" else "", args=(second, *neg.args))


def place(results: Mapping[str, int], computed: set[Operand]) -> tuple[dict[Operand, str], list[Operation]]:
    """Decide which values are computed right where a result goes; other results are copied.

    Returns: the place of such values, and the copies.
    """
    homes: dict[Operand, str] = {}
    copies: list[Operation] = []
    for name, value in results.items():
        if value in computed and value not in homes:
            homes[value] = name
        else:
            copies.append(Operation("copy", (value,), name))
    return homes, copies


def allocate(operations: Sequence[Operation], known: set[Operand]) -> tuple[dict[Operand, int], int]:
    """Give each value that is not ``known`` to lie elsewhere a register, free again after its last reader.

    A target may take the register of an operand that dies there: the machine reads before it writes.
    Returns: the registers and how many there are.
    """
    last = {a: index for index, o in enumerate(operations) for a in o.args}
    registers: dict[Operand, int] = {}
    free: list[int] = []
    count = 0
    for index, o in enumerate(operations):
        free += [registers[a] for a in dict.fromkeys(o.args) if a in registers and last[a] == index]
        if o.target in known:
            continue
        if not free:
            free.append(count)
            count += 1
        registers[o.target] = free.pop()  # the one used last is still in the nearest cache
    return registers, count


def _in_place(program: Program, operations: Sequence[Operation], slots: Mapping[Operand, int], state: str) -> bool:
    """Tell whether no instruction after the one that writes a state's new value reads its old one."""
    backward = f"grad.state.{state}" in program.inputs
    old = slots[program.inputs.index(f"grad.state.{state}" if backward else f"state.{state}")]
    new = slots[f"grad_state.{state}" if backward else f"state.{state}"]
    written = next(index for index, o in enumerate(operations) if slots[o.target] == new)
    return all(slots[a] != old for o in operations[written + 1 :] for a in o.args)
