"""The pieces of text that printed kernels are made of.

Text is made only of checked names, known instructions, whole numbers and floats: no program becomes other code.
Axes: T time, N neurons.
"""

import math
from collections.abc import Mapping, Sequence

from ranvier.core.program import Instruction, Program
from ranvier.kernels.gpu.layout import Layout

EXPRESSIONS: Mapping[str, str] = {
    # Triton writes -x as 0 - x, which has the wrong sign at 0.
    "neg": "{0} * -1.0", "abs": "tl.abs({0})", "sign": "(0.0 < {0}).to(DTYPE) - ({0} < 0.0).to(DTYPE)",
    "floor": "tl.floor({0})", "round": "maths.round_half_even({0})", "exp": "maths.exp({0})",
    "expm1": "maths.expm1({0})", "log": "maths.log({0})", "log1p": "maths.log1p({0})", "sqrt": "maths.sqrt({0})",
    "sin": "maths.sin({0})", "cos": "maths.cos({0})", "tanh": "maths.tanh({0})", "sigmoid": "maths.sigmoid({0})",
    "atan": "maths.atan({0})", "erf": "maths.erf({0})", "not": "1.0 - {0}",
    "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "maths.div({0}, {1})",
    "pow": "maths.pow({0}, {1})",
    "min": "tl.minimum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "max": "tl.maximum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "gt": "({0} > {1}).to(DTYPE)", "ge": "({0} >= {1}).to(DTYPE)", "lt": "({0} < {1}).to(DTYPE)",
    "le": "({0} <= {1}).to(DTYPE)", "eq": "({0} == {1}).to(DTYPE)", "ne": "({0} != {1}).to(DTYPE)",
    "and": "{0} * {1}", "or": "tl.maximum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "where": "tl.where({0} != 0.0, {1}, {2})",
}  # fmt: skip

HEADER = '''"""Printed from a program by ranvier/kernels/gpu/source.py."""

import triton
import triton.language as tl

from ranvier.kernels.gpu import maths
'''


def opening(step: Layout) -> list[str]:
    """Print what all kernels over time begin with: which lanes, their first step, their states and coefficients."""
    name = step.variables
    places = {name[c]: f"(n // {name[c]}_inner) % {name[c]}_count" for c in step.coefs}
    return [
        "lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)",
        "mask = lane < lanes",
        "n = lane % N",
        "first = n + (lane // N).to(tl.int64) * jump",
        "stride = tl.cast(N, tl.int64)",
        "across = tl.cast(lanes, tl.int64)",
        *(f"{name[s]} = {load(f'{name[s]}_ptr', 'lane')}" for s in step.states),
        *(f"{c} = {load(f'{c}_ptr', place)}" for c, place in places.items()),
    ]


def arguments(step: Layout) -> list[str]:
    """Name what all kernels over time read: the current, the states, the coefficients."""
    name = step.variables
    coefs = [f"{name[c]}_{part}" for c in step.coefs for part in ("ptr", "inner", "count")]
    return [*pointers(["current", *(name[s] for s in step.states)]), *coefs]


def pointers(variables: Sequence[str]) -> list[str]:
    """Name the addresses of values in memory."""
    return [f"{variable}_ptr" for variable in variables]


def indent(lines: Sequence[str]) -> list[str]:
    """Move lines one level in."""
    return [f"    {line}" for line in lines]


def row(base: str, k: int, stride: str = "stride") -> str:
    """Print the place k rows on."""
    return f"{base} + {k} * {stride}" if k else base


def load(pointer: str, where: str) -> str:
    """Print a load in the type of number that is computed in."""
    return f"tl.load({pointer} + {where}, mask=mask, other=0.0).to(DTYPE)"


def load_currents(count: int) -> list[str]:
    """Load the currents of all steps of a chunk first: many loads under way keep the memory busy."""
    return [f"current_{k} = {load('current_ptr', row('at', k))}" for k in range(count)]


def call(title: str, program: Program, variables: Mapping[str, str], results: Sequence[str]) -> str:
    """Print the call of a program's function."""
    if not results:  # a step without states has nothing to advance
        return "pass"
    return f"{', '.join(results)} = {title}({', '.join(variables[i] for i in program.inputs)}, BLOCK, DTYPE)"


def function(title: str, program: Program, variables: Mapping[str, str], results: Sequence[str]) -> list[str]:
    """Print a program as a function of one step, an instruction a line."""
    values = [variables[name] for name in program.inputs]
    taken = ", ".join([*values, "BLOCK: tl.constexpr", "DTYPE: tl.constexpr"])
    lines = []
    for number, i in enumerate(program.body, start=len(program.inputs)):
        text = _constant(i) if i.op == "const" else EXPRESSIONS[i.op].format(*(values[a] for a in i.args))
        operands = [repr(float(i.constant))] if i.op == "const" else [str(a) for a in i.args]
        lines.append(f"x{number} = {text}  # {' '.join([str(number), i.op, *operands])}")
        values.append(f"x{number}")
    ends = dict(program.outputs)
    returned = ", ".join(values[ends[result]] for result in results)
    return ["", "@triton.jit", f"def {title}({taken}):", *indent([*lines, f"return {returned}"]), ""]


def _constant(i: Instruction) -> str:
    value = float(i.constant)
    if value == 0 and math.copysign(1.0, value) < 0:
        return "tl.full([BLOCK], 0.0, DTYPE) * -1.0"  # Triton's constant 0 has no sign
    literal = repr(value) if math.isfinite(value) else f'float("{value}")'
    return f"tl.full([BLOCK], {literal}, DTYPE)"


def kernel(taken: Sequence[str], counts: Sequence[str], body: Sequence[str]) -> list[str]:
    """Print the kernel ``run`` over time; lanes: how many there are; jump: elements from a segment to the next."""
    # Without do_not_specialize there would be another compilation for each count that is 1 or a multiple of 16.
    plain = ["lanes", "jump", *counts]
    static = ("BLOCK: tl.constexpr", "DTYPE: tl.constexpr")
    return [
        f"@triton.jit(do_not_specialize={plain})",
        f"def run({', '.join([*taken, 'N', *plain, *static])}):",
        *indent(body),
    ]


def module(functions: Sequence[str], main: Sequence[str]) -> str:
    """Put functions and the kernel under one header."""
    return "\n".join([HEADER, *functions, "", *main, ""])
