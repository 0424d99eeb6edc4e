"""What a run of steps does to a state, as a program: s -> P s + q, grown by one step at a time."""

from collections.abc import Sequence

from ranvier.core.program import Builder, Program
from ranvier.kernels.scan.affine import Affine


def registers(num_states: int) -> tuple[str, ...]:
    """Name the numbers that such a map is made of: q_ROW, then P_ROW_COLUMN."""
    K = range(num_states)
    return (*(f"q_{i}" for i in K), *(f"P_{i}_{j}" for i in K for j in K))


def is_diagonal(register: str) -> bool:
    """Tell whether a register is on the diagonal of P, and so 1 before any step."""
    kind, *place = register.split("_")
    return kind == "P" and place[0] == place[1]


def grown(found: Affine, fields: Sequence[str], prefix: str) -> Program:
    """Return the program that adds a step, s -> A s + b, after the steps of a map: P <- A P, q <- A q + b.

    Args: found: the step. fields: its state variables, in the order of the map's rows. prefix: of the map's inputs and
        outputs, which are called as ``registers`` names them.
    """
    names = registers(len(fields))
    b = Builder((*(f"{prefix}{name}" for name in names), *found.program.inputs))
    place = {name: k for k, name in enumerate(names)}
    values = list(range(len(names), len(b.inputs)))
    for instruction in found.program.body:
        values.append(b.copy(instruction, [values[a] for a in instruction.args]))
    entry = {name: values[value] for name, value in found.program.outputs}
    outputs = {}
    for i, row in enumerate(fields):
        factors = [(k, entry[f"A.{row}.{column}"]) for k, column in enumerate(fields) if f"A.{row}.{column}" in entry]
        q = _sum(b, [b.op("mul", factor, place[f"q_{k}"]) for k, factor in factors])
        outputs[f"{prefix}q_{i}"] = b.op("add", q, entry[f"b.{row}"])
        for j in range(len(fields)):
            terms = [b.op("mul", factor, place[f"P_{k}_{j}"]) for k, factor in factors]
            outputs[f"{prefix}P_{i}_{j}"] = _sum(b, terms)
    return b.finish(outputs)


def _sum(b: Builder, terms: Sequence[int]) -> int:
    total = b.const(0.0)
    for term in terms:
        total = b.op("add", total, term)
    return total
