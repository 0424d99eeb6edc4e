"""What a step reads and writes, and what each value is called in a printed kernel."""

import re
from dataclasses import dataclass
from functools import lru_cache

from ranvier.core.errors import FormatError
from ranvier.core.program import ARITY, Program

_INPUT = re.compile(r"current|coef\.[0-9]+|state\.\w+")
_OUTPUT = re.compile(r"(state|out)\.\w+")


@dataclass(frozen=True, slots=True)
class Layout:
    """The values of a step in the order in which kernels take them; the names are those of the program."""

    states: tuple[str, ...]
    coefs: tuple[str, ...]
    outs: tuple[str, ...]

    @property
    def variables(self) -> dict[str, str]:
        """Name in the text for each value and each gradient: word characters only, no two alike.

        The position sets apart what derived names would mix up, such as the pointer of ``v`` and a state ``v_ptr``.
        """
        names = {"current": "current"}
        names |= {name: f"state{k}_{_word(name)}" for k, name in enumerate(self.states)}
        names |= {name: f"coef{k}" for k, name in enumerate(self.coefs)}
        gradients = {f"grad_{name}": f"grad_{variable}" for name, variable in names.items()}
        names |= {name: f"out{k}_{_word(name)}" for k, name in enumerate(self.outs)}
        return names | gradients | {f"grad.{n}": f"grad_{names[n]}" for n in (*self.states, *self.outs)}


@lru_cache(maxsize=1024)
def layout(program: Program) -> Layout:
    """Read the layout of a forward program.

    Raises: FormatError if it is not the lowered step of a neuron.
    """
    check(program)
    for name in program.inputs:
        if not _INPUT.fullmatch(name):
            raise FormatError("program", expected="inputs state.NAME, current and coef.K", got=repr(name))
    results = [name for name, _ in program.outputs]
    for name in results:
        if not _OUTPUT.fullmatch(name):
            raise FormatError("program", expected="outputs state.NAME and out.NAME", got=repr(name))
    states = tuple(name for name in program.inputs if name.startswith("state."))
    coefs = tuple(f"coef.{k}" for k in range(sum(name.startswith("coef.") for name in program.inputs)))
    expect("program", {*states, *coefs, "current"}, set(program.inputs))
    expect("program", set(states), {name for name in results if name.startswith("state.")})
    return Layout(states, coefs, tuple(name for name in results if name.startswith("out.")))


def check_vjp(step: Layout, vjp: Program) -> None:
    """Refuse a program that is not the backward program of a step.

    Raises: FormatError.
    """
    check(vjp)
    gradients = {f"grad.{name}" for name in (*step.states, *step.outs)}
    expect("backward program", {*step.states, *step.coefs, "current"} | gradients, set(vjp.inputs))
    results = {f"grad_{name}" for name in (*step.states, *step.coefs, "current")}
    expect("backward program", results, {name for name, _ in vjp.outputs})


def check(program: Program) -> None:
    """Refuse names that come twice, unknown instructions and operands that are not values known before.

    Raises: FormatError.
    """
    known = len(program.inputs)
    if len({*program.inputs}) != known or len({name for name, _ in program.outputs}) != len(program.outputs):
        raise FormatError("program", expected="names of which no two are equal", got=str(program)[:200])
    for number, i in enumerate(program.body, start=known):
        numbers = all(type(a) is int and 0 <= a < number for a in i.args)
        if i.op not in ARITY or i.op in ("spike", "detach") or len(i.args) != ARITY[i.op] or not numbers:
            raise FormatError(f"program, value {number}", expected="a lowered instruction", got=f"{i.op} {i.args}")
    for name, value in program.outputs:
        if type(value) is not int or not 0 <= value < known + len(program.body):
            raise FormatError("program", expected="outputs that are values of the program", got=f"{name}={value}")


def expect(where: str, expected: set[str], got: set[str]) -> None:
    """Compare the names that a program should have with those that it has."""
    if expected != got:
        raise FormatError(where, expected=" ".join(sorted(expected)), got=" ".join(sorted(got)))


def _word(name: str) -> str:
    """Turn the end of a dotted name into ASCII word characters."""
    ascii_only = name.split(".", 1)[1].encode("ascii", "backslashreplace").decode()
    return re.sub(r"\W", "_", ascii_only, flags=re.ASCII)
