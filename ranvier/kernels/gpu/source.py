"""Print the programs of a step as Triton kernels that run them over all time steps.

A Triton program runs a block of neurons through all of time with the states in registers. The backward kernel first
runs forward and keeps the states only at the end of every chunk of steps; then it walks the chunks from the last to the
first, computes the states of a chunk again into registers, and carries the gradients back through it. Chunks are
unrolled because registers cannot be indexed; the steps that do not fill a chunk are chunks of one.

Text is made only of checked names, known instructions, whole numbers and floats: no program becomes other code.
Axes: T time, N neurons.
"""

import math
from collections.abc import Mapping, Sequence

from ranvier.core.program import Instruction, Program, prune
from ranvier.kernels.gpu.layout import Layout, check_vjp, layout

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


def print_forward(program: Program, *, chunk: int) -> str:
    """Print the module whose kernel ``run`` runs a forward program over T = num_chunks * chunk + num_single steps.

    Arguments of the kernel: current, every state, (values, inner, count) of every coefficient; to be written: every
    out, every final state; N, num_chunks, num_single, BLOCK, DTYPE.

    Raises: FormatError if the program is not the step of a neuron.
    """
    step = layout(program)
    name = step.variables
    outs = [name[o] for o in step.outs]
    finals = [f"final_{name[s]}" for s in step.states]

    def steps(count: int) -> list[str]:
        lines = _load_currents(count)
        for k in range(count):
            lines.append(
                _call("step", program, name | {"current": f"current_{k}"}, [name[s] for s in step.states] + outs)
            )
            lines += [f"tl.store({o}_ptr + {_row('at', k)}, {o}, mask=mask)" for o in outs]
        return [*lines, f"at += {count} * stride"]

    body = [
        *_opening(step),
        "at = n.to(tl.int64)",
        "for _ in range(num_chunks):",
        *_indent(steps(chunk)),
        "for _ in range(num_single):",
        *_indent(steps(1)),
        *(f"tl.store(final_{name[s]}_ptr + n, {name[s]}, mask=mask)" for s in step.states),
    ]
    function = _function("step", program, name, [*step.states, *step.outs])
    return _module(
        function, _kernel([*_arguments(step), *_pointers(outs + finals)], ("num_chunks", "num_single"), body)
    )


def print_backward(
    program: Program, vjp: Program, *, chunk: int, has_grad_out: Sequence[bool], has_grad_state: Sequence[bool]
) -> str:
    """Print the module whose kernel ``run`` carries gradients from the last step to the first.

    Arguments of the kernel: those that ``print_forward`` reads, then the gradients that there are of outs and of final
    states; to be written: gradient of the current, of every initial state, of every coefficient summed over time;
    scratch of (num_chunks + num_single - 1, number of states, N); N, num_chunks, num_single, and kept_chunks,
    kept_single: how many of each are not the last of all; BLOCK, DTYPE.

    Args: has_grad_out, has_grad_state: which gradients there are; the others are zero.
    Raises: FormatError if the programs are not the step of a neuron and its backward program.
    """
    step = layout(program)
    check_vjp(step, vjp)
    name = step.variables
    states, coefs = [name[s] for s in step.states], [name[c] for c in step.coefs]
    given = [f"grad_{name[o]}" for o, has in zip(step.outs, has_grad_out, strict=True) if has]
    absent = [f"grad_{name[o]}" for o, has in zip(step.outs, has_grad_out, strict=True) if not has]
    final = [f"grad_{name[s]}" for s, has in zip(step.states, has_grad_state, strict=True) if has]
    firsts = [f"first_grad_{s}" for s in states]
    gradients = [f"grad_{c}" for c in coefs]
    advance = prune(Program(program.inputs, program.body, tuple(o for o in program.outputs if o[0] in step.states)))
    body = [
        *_opening(step),
        "zero = tl.full([BLOCK], 0.0, DTYPE)",
        *(f"start_{s} = {s}" for s in states),
        "# Forward, keeping the states at the end of every chunk but the last.",
        "at = n.to(tl.int64)",
        "kept = n.to(tl.int64)",
        "for _ in range(kept_chunks):",
        *_indent(_keep(step, advance, chunk)),
        "for _ in range(kept_single):",
        *_indent(_keep(step, advance, 1)),
        "# Backward. At the first chunk of all, kept falls below 0: it starts from the given states.",
        *(f"{g} = zero" for g in (*absent, *gradients)),
        *(f"grad_{s} = {_load(f'grad_{s}_ptr', 'n') if f'grad_{s}' in final else 'zero'}" for s in states),
        f"at = n.to(tl.int64) + stride * (num_chunks * {chunk} + num_single)",
        "for _ in range(num_single):",
        *_indent(_back(step, advance, vjp, given, 1)),
        "for _ in range(num_chunks):",
        *_indent(_back(step, advance, vjp, given, chunk)),
        *(f"tl.store(first_grad_{s}_ptr + n, grad_{s}, mask=mask)" for s in states),
        *(f"tl.store({g}_ptr + n, {g}, mask=mask)" for g in gradients),
    ]
    results = [f"grad_{value}" for value in (*step.states, "current", *step.coefs)]
    functions = [*_function("advance", advance, name, step.states), *_function("pull", vjp, name, results)]
    arguments = [*_arguments(step), *_pointers([*given, *final, "grad_current", *firsts, *gradients, "scratch"])]
    return _module(functions, _kernel(arguments, ("num_chunks", "num_single", "kept_chunks", "kept_single"), body))


def _keep(step: Layout, advance: Program, count: int) -> list[str]:
    """Print a chunk of the forward pass that only keeps the states at its end."""
    name = step.variables
    states = [name[s] for s in step.states]
    lines = _load_currents(count)
    lines += [_call("advance", advance, name | {"current": f"current_{k}"}, states) for k in range(count)]
    lines += [f"tl.store(scratch_ptr + {_row('kept', k)}, {s}, mask=mask)" for k, s in enumerate(states)]
    return [*lines, f"at += {count} * stride", f"kept += {len(states)} * stride"]


def _back(step: Layout, advance: Program, vjp: Program, given: Sequence[str], count: int) -> list[str]:
    """Print a chunk of the backward pass: its states again, then its gradients from the last step to the first."""
    name = step.variables
    states = [name[s] for s in step.states]

    def at_step(k: int) -> dict[str, str]:
        return name | {"current": f"current_{k}"} | {s: f"{name[s]}_{k}" for s in step.states}

    lines = [f"at -= {count} * stride", f"kept -= {len(states)} * stride", *_load_currents(count)]
    for k, s in enumerate(states):
        where = f"scratch_ptr + {_row('kept', k)}"
        lines.append(f"{s}_0 = tl.load({where}, mask=mask & (kept >= 0), other=start_{s})")
    lines += [_call("advance", advance, at_step(k - 1), [f"{s}_{k}" for s in states]) for k in range(1, count)]
    deltas = [f"delta_{name[c]}" for c in step.coefs]
    for k in reversed(range(count)):
        lines += [f"{g} = {_load(f'{g}_ptr', _row('at', k))}" for g in given]
        lines.append(_call("pull", vjp, at_step(k), [*(f"grad_{s}" for s in states), "grad_current", *deltas]))
        lines.append(f"tl.store(grad_current_ptr + {_row('at', k)}, grad_current, mask=mask)")
        lines += [f"grad_{name[c]} += delta_{name[c]}" for c in step.coefs]
    return lines


def _opening(step: Layout) -> list[str]:
    """Print what both kernels begin with: which neurons, their states and coefficients."""
    name = step.variables
    places = {name[c]: f"(n // {name[c]}_inner) % {name[c]}_count" for c in step.coefs}
    return [
        "n = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)",
        "mask = n < N",
        "stride = tl.cast(N, tl.int64)",
        *(f"{name[s]} = {_load(f'{name[s]}_ptr', 'n')}" for s in step.states),
        *(f"{c} = {_load(f'{c}_ptr', place)}" for c, place in places.items()),
    ]


def _arguments(step: Layout) -> list[str]:
    name = step.variables
    coefs = [f"{name[c]}_{part}" for c in step.coefs for part in ("ptr", "inner", "count")]
    return [*_pointers(["current", *(name[s] for s in step.states)]), *coefs]


def _pointers(variables: Sequence[str]) -> list[str]:
    return [f"{variable}_ptr" for variable in variables]


def _indent(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _row(base: str, k: int) -> str:
    return f"{base} + {k} * stride" if k else base


def _load(pointer: str, where: str) -> str:
    return f"tl.load({pointer} + {where}, mask=mask, other=0.0).to(DTYPE)"


def _load_currents(count: int) -> list[str]:
    """Load the currents of all steps of a chunk first: many loads under way keep the memory busy."""
    return [f"current_{k} = {_load('current_ptr', _row('at', k))}" for k in range(count)]


def _call(function: str, program: Program, variables: Mapping[str, str], results: Sequence[str]) -> str:
    if not results:  # a step without states has nothing to advance
        return "pass"
    return f"{', '.join(results)} = {function}({', '.join(variables[i] for i in program.inputs)}, BLOCK, DTYPE)"


def _function(function: str, program: Program, variables: Mapping[str, str], results: Sequence[str]) -> list[str]:
    """Print a program as a function of one step, an instruction a line."""
    values = [variables[name] for name in program.inputs]
    arguments = ", ".join([*values, "BLOCK: tl.constexpr", "DTYPE: tl.constexpr"])
    lines = []
    for number, i in enumerate(program.body, start=len(program.inputs)):
        text = _constant(i) if i.op == "const" else EXPRESSIONS[i.op].format(*(values[a] for a in i.args))
        operands = [repr(float(i.constant))] if i.op == "const" else [str(a) for a in i.args]
        lines.append(f"x{number} = {text}  # {' '.join([str(number), i.op, *operands])}")
        values.append(f"x{number}")
    ends = dict(program.outputs)
    returned = ", ".join(values[ends[result]] for result in results)
    return ["", "@triton.jit", f"def {function}({arguments}):", *_indent([*lines, f"return {returned}"]), ""]


def _constant(i: Instruction) -> str:
    value = float(i.constant)
    if value == 0 and math.copysign(1.0, value) < 0:
        return "tl.full([BLOCK], 0.0, DTYPE) * -1.0"  # Triton's constant 0 has no sign
    literal = repr(value) if math.isfinite(value) else f'float("{value}")'
    return f"tl.full([BLOCK], {literal}, DTYPE)"


def _kernel(arguments: Sequence[str], counts: Sequence[str], body: Sequence[str]) -> list[str]:
    # Without do_not_specialize there would be another compilation for each count that is 1 or a multiple of 16.
    static = ("BLOCK: tl.constexpr", "DTYPE: tl.constexpr")
    return [
        f"@triton.jit(do_not_specialize={list(counts)})",
        f"def run({', '.join([*arguments, 'N', *counts, *static])}):",
        *_indent(body),
    ]


def _module(functions: Sequence[str], kernel: Sequence[str]) -> str:
    return "\n".join([HEADER, *functions, "", *kernel, ""])
