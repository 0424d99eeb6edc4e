"""Print the programs of a step as Triton kernels that run them over all time steps.

A Triton program runs a block of lanes through time with the states in registers. A lane is a neuron, or a neuron in one
of several segments of time that are run side by side (``scan.py``): lane = segment * N + neuron. The backward kernel
first runs forward and keeps the states only at the end of every chunk of steps; then it walks the chunks from the last
to the first, computes the states of a chunk again into registers, and carries the gradients back through it. Chunks are
unrolled because registers cannot be indexed; the steps that do not fill a chunk are chunks of one.

Axes: T time, N neurons.
"""

from collections.abc import Callable, Sequence

from ranvier.core.program import Program, prune
from ranvier.kernels.gpu import text
from ranvier.kernels.gpu.layout import Layout, check_vjp, layout
from ranvier.kernels.scan.steps import is_diagonal

COUNTS = ("num_chunks", "num_single", "kept_chunks", "kept_single")  # of a kernel that walks back


def print_forward(program: Program, *, chunk: int) -> str:
    """Print the module whose kernel ``run`` runs a forward program over T = num_chunks * chunk + num_single steps.

    Arguments of the kernel: current, every state, (values, inner, count) of every coefficient; to be written: every
    out, every final state; N, lanes, jump, num_chunks, num_single, BLOCK, DTYPE.

    Raises: FormatError if the program is not the step of a neuron.
    """
    step = layout(program)
    name = step.variables
    outs = [name[o] for o in step.outs]
    finals = [f"final_{name[s]}" for s in step.states]

    def steps(count: int) -> list[str]:
        lines = text.load_currents(count)
        for k in range(count):
            lines.append(
                text.call("step", program, name | {"current": f"current_{k}"}, [name[s] for s in step.states] + outs)
            )
            lines += [f"tl.store({o}_ptr + {text.row('at', k)}, {o}, mask=mask)" for o in outs]
        return [*lines, f"at += {count} * stride"]

    body = [
        *text.opening(step),
        "at = first",
        "for _ in range(num_chunks):",
        *text.indent(steps(chunk)),
        "for _ in range(num_single):",
        *text.indent(steps(1)),
        *(f"tl.store(final_{name[s]}_ptr + lane, {name[s]}, mask=mask)" for s in step.states),
    ]
    function = text.function("step", program, name, [*step.states, *step.outs])
    taken = [*text.arguments(step), *text.pointers(outs + finals)]
    return text.module(function, text.kernel(taken, ("num_chunks", "num_single"), body))


def print_backward(
    program: Program, vjp: Program, *, chunk: int, has_grad_out: Sequence[bool], has_grad_state: Sequence[bool]
) -> str:
    """Print the module whose kernel ``run`` carries gradients from the last step to the first.

    Arguments of the kernel: those that ``print_forward`` reads, then the gradients that there are of outs and of final
    states; to be written: gradient of the current, of every initial state, of every coefficient summed over time;
    scratch of (num_chunks + num_single - 1, number of states, lanes); N, lanes, jump, num_chunks, num_single, and
    kept_chunks, kept_single: how many of each are not the last of all; BLOCK, DTYPE.

    Args: has_grad_out, has_grad_state: which gradients there are; the others are zero.
    Raises: FormatError if the programs are not the step of a neuron and its backward program.
    """
    step = layout(program)
    check_vjp(step, vjp)
    name = step.variables
    states, coefs = [name[s] for s in step.states], [name[c] for c in step.coefs]
    given, absent = _given(step, has_grad_out)
    final = [f"grad_{name[s]}" for s, has in zip(step.states, has_grad_state, strict=True) if has]
    firsts = [f"first_grad_{s}" for s in states]
    gradients = [f"grad_{c}" for c in coefs]
    deltas = [f"delta_{c}" for c in coefs]

    def pull(k: int, at_step: dict[str, str]) -> list[str]:
        return [
            text.call("pull", vjp, at_step, [*(f"grad_{s}" for s in states), "grad_current", *deltas]),
            f"tl.store(grad_current_ptr + {text.row('at', k)}, grad_current, mask=mask)",
            *(f"{g} += {delta}" for g, delta in zip(gradients, deltas, strict=True)),
        ]

    body = [
        *(f"{g} = zero" for g in (*absent, *gradients)),
        *(f"grad_{s} = {text.load(f'grad_{s}_ptr', 'lane') if f'grad_{s}' in final else 'zero'}" for s in states),
        *_walk_back(step, _advance(step, program), given, pull, chunk),
        *(f"tl.store(first_grad_{s}_ptr + lane, grad_{s}, mask=mask)" for s in states),
        *(f"tl.store({g}_ptr + lane, {g}, mask=mask)" for g in gradients),
    ]
    results = [f"grad_{value}" for value in (*step.states, "current", *step.coefs)]
    function = text.function("pull", vjp, name, results)
    written = ["grad_current", *firsts, *gradients, "scratch"]
    return _walking_kernel(step, program, chunk, function, [*given, *final, *written], body)


def print_turn(
    program: Program, turn: Program, registers: Sequence[str], *, chunk: int, has_grad_out: Sequence[bool]
) -> str:
    """Print the module whose kernel ``run`` computes what a run of steps does to a gradient that comes back through it.

    Arguments of the kernel: those that ``print_forward`` reads, then the gradients that there are of outs; to be
    written: every register after the first step; scratch, N and counts as for ``print_backward``.

    Args: turn: from the inputs of a backward program without ``grad.state.*``, and ``map.*``, to ``map.*``. registers:
        names of the latter; those on the diagonal of a matrix ("P_0_0") start as 1, the others as 0.
    Raises: FormatError if the program is not the step of a neuron.
    """
    step = layout(program)
    given, absent = _given(step, has_grad_out)
    name = step.variables | {f"map.{r}": r for r in registers}

    def pull(_: int, at_step: dict[str, str]) -> list[str]:
        return [text.call("turn", turn, name | at_step, registers)]

    body = [
        *(f"{g} = zero" for g in absent),
        *(f"{r} = zero{' + 1.0' if is_diagonal(r) else ''}" for r in registers),
        *_walk_back(step, _advance(step, program), given, pull, chunk),
        *(f"tl.store({r}_ptr + lane, {r}, mask=mask)" for r in registers),
    ]
    function = text.function("turn", turn, name, [f"map.{r}" for r in registers])
    return _walking_kernel(step, program, chunk, function, [*given, *registers, "scratch"], body)


def _given(step: Layout, has_grad_out: Sequence[bool]) -> tuple[list[str], list[str]]:
    """Name the gradients of the outs that there are, and those that are zero."""
    pairs = [(f"grad_{step.variables[o]}", has) for o, has in zip(step.outs, has_grad_out, strict=True)]
    return [g for g, has in pairs if has], [g for g, has in pairs if not has]


def _advance(step: Layout, program: Program) -> Program:
    """Return the part of a step that only computes the next states."""
    return prune(Program(program.inputs, program.body, tuple(o for o in program.outputs if o[0] in step.states)))


def _walking_kernel(
    step: Layout, program: Program, chunk: int, function: Sequence[str], taken: Sequence[str], body: Sequence[str]
) -> str:
    """Print a kernel that runs forward, keeping the states at the end of every chunk but the last; then ``body``."""
    advance = _advance(step, program)
    lines = [
        *text.opening(step),
        "zero = tl.full([BLOCK], 0.0, DTYPE)",
        *(f"start_{step.variables[s]} = {step.variables[s]}" for s in step.states),
        "# Forward, keeping the states at the end of every chunk but the last.",
        "at = first",
        "kept = lane.to(tl.int64)",
        "for _ in range(kept_chunks):",
        *text.indent(_keep(step, advance, chunk)),
        "for _ in range(kept_single):",
        *text.indent(_keep(step, advance, 1)),
        "# Backward. At the first chunk of all, kept falls below 0: it starts from the given states.",
        *body,
    ]
    functions = [*text.function("advance", advance, step.variables, step.states), *function]
    return text.module(functions, text.kernel([*text.arguments(step), *text.pointers(taken)], COUNTS, lines))


def _keep(step: Layout, advance: Program, count: int) -> list[str]:
    """Print a chunk of the forward pass that only keeps the states at its end."""
    name = step.variables
    states = [name[s] for s in step.states]
    lines = text.load_currents(count)
    lines += [text.call("advance", advance, name | {"current": f"current_{k}"}, states) for k in range(count)]
    lines += [f"tl.store(scratch_ptr + {text.row('kept', k, 'across')}, {s}, mask=mask)" for k, s in enumerate(states)]
    return [*lines, f"at += {count} * stride", f"kept += {len(states)} * across"]


def _walk_back(
    step: Layout, advance: Program, given: Sequence[str], pull: Callable[[int, dict[str, str]], list[str]], chunk: int
) -> list[str]:
    """Print the walk from the last step to the first: its states again, the gradients of outs, and what pulls."""
    return [
        f"at = first + stride * (num_chunks * {chunk} + num_single)",
        "for _ in range(num_single):",
        *text.indent(_back(step, advance, given, pull, 1)),
        "for _ in range(num_chunks):",
        *text.indent(_back(step, advance, given, pull, chunk)),
    ]


def _back(
    step: Layout, advance: Program, given: Sequence[str], pull: Callable[[int, dict[str, str]], list[str]], count: int
) -> list[str]:
    """Print a chunk of the backward pass."""
    name = step.variables
    states = [name[s] for s in step.states]

    def at_step(k: int) -> dict[str, str]:
        return name | {"current": f"current_{k}"} | {s: f"{name[s]}_{k}" for s in step.states}

    lines = [f"at -= {count} * stride", f"kept -= {len(states)} * across", *text.load_currents(count)]
    for k, s in enumerate(states):
        where = f"scratch_ptr + {text.row('kept', k, 'across')}"
        lines.append(f"{s}_0 = tl.load({where}, mask=mask & (kept >= 0), other=start_{s})")
    lines += [text.call("advance", advance, at_step(k - 1), [f"{s}_{k}" for s in states]) for k in range(1, count)]
    for k in reversed(range(count)):
        lines += [f"{g} = {text.load(f'{g}_ptr', text.row('at', k))}" for g in given]
        lines += pull(k, at_step(k))
    return lines
