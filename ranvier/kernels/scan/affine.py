"""Tell whether a neuron's step is affine in its state, and which matrices it is: s' = A s + b."""

from typing import NamedTuple

from ranvier.core.program import Builder, Program

Form = dict[str, int] | None  # of a value: factor of each state variable, and "" for the rest; None is not affine


class Affine(NamedTuple):
    """A step as matrices: a program from its inputs, but for the state, to ``A.ROW.COLUMN`` and ``b.ROW``.

    Entries of A that are 0 are left out. ``varies`` tells whether A depends on the current.
    """

    program: Program
    varies: bool


def affine(traced: Program, *, before: str = "state.", after: str = "state.") -> Affine | str:
    """Analyse a traced step.

    Args: traced: from ``trace_step``: inputs ``state.*``, ``current``, ``param.*``; or any program with a current that
        takes one set of variables to the next. before, after: what the names of those inputs and outputs begin with.
    Returns: its matrices; or, for a step that is not affine in its state, why not, in words.
    """
    inputs = tuple(name for name in traced.inputs if not name.startswith(before))
    b = Builder(inputs)
    forms: list[Form] = []
    for name in traced.inputs:
        field = name.removeprefix(before)
        forms.append({field: b.const(1.0)} if name.startswith(before) else {"": inputs.index(name)})
    culprit: dict[int, str] = {}  # of each value that is not affine: the operation that made it so
    for value, i in enumerate(traced.body, start=len(traced.inputs)):
        given = [forms[a] for a in i.args]
        form = {"": b.const(i.constant)} if i.op == "const" else _form(b, i.op, given)
        if form is None:
            culprit[value] = next((culprit[a] for a in i.args if a in culprit), i.op)
        forms.append(form)
    outputs: dict[str, int] = {}
    for name, value in traced.outputs:
        if not name.startswith(after):
            continue
        row, form = name.removeprefix(after), forms[value]
        if form is None:
            return f"{name} depends on a state through {culprit[value]!r}"
        for column, factor in form.items():
            outputs[f"A.{row}.{column}" if column else f"b.{row}"] = factor
        outputs.setdefault(f"b.{row}", b.const(0.0))
    program = b.finish(outputs)
    heard = _depends(program, inputs.index("current"))
    return Affine(program, any(value in heard for name, value in program.outputs if name.startswith("A.")))


def _depends(program: Program, source: int) -> set[int]:
    """List the values that depend on one input."""
    found = {source}
    for value, i in enumerate(program.body, start=len(program.inputs)):
        if found.intersection(i.args):
            found.add(value)
    return found


def _form(b: Builder, op: str, given: list[Form]) -> Form:
    known = [f for f in given if f is not None]
    if len(known) < len(given):
        return None
    if all(f.keys() <= {""} for f in known) and op not in ("spike", "detach"):
        return {"": b.op(op, *(f.get("", b.const(0.0)) for f in known))}  # type: ignore[arg-type]
    if op == "neg":
        return {key: b.op("neg", v) for key, v in known[0].items()}
    if op in ("add", "sub"):
        return _sum(b, op, *known)
    if op in ("mul", "div"):
        return _scaled(b, op, *known)
    if op == "where" and known[0].keys() <= {""}:
        zero, (condition, yes, no) = b.const(0.0), known
        keys = yes.keys() | no.keys()
        return {key: b.op("where", condition[""], yes.get(key, zero), no.get(key, zero)) for key in sorted(keys)}
    return None


def _sum(b: Builder, op: str, left: dict[str, int], right: dict[str, int]) -> Form:
    total = dict(left)
    for key, value in right.items():
        if key in total:
            total[key] = b.op(op, total[key], value)  # type: ignore[arg-type]
        else:
            total[key] = b.op("neg", value) if op == "sub" else value
    return total


def _scaled(b: Builder, op: str, left: dict[str, int], right: dict[str, int]) -> Form:
    if op == "mul" and left.keys() <= {""}:
        left, right = right, left
    if not right.keys() <= {""}:
        return None
    return {key: b.op(op, value, right[""]) for key, value in left.items()}  # type: ignore[arg-type]
