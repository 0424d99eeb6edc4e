"""Run a step that is affine in its state on a GPU over segments of time side by side.

Few neurons and many steps leave a GPU idle: a neuron is one thread, and its steps follow each other. Without a reset,
what a segment of steps does to a state is a map s -> P s + q. So time is cut into segments; (1) the map of each is
computed, all side by side, (2) an associative scan joins the maps to the state that each segment starts from, (3) all
segments run from there, as single ones would. The way back is the same with gradients, whose step is affine too:
(1, 2) as before, (4) the map of each segment on a gradient that comes back through it, (5) a scan from the last segment
to the first, (6) gradients of all segments side by side.

Bytes moved per neuron and step, in float32 (limit: 8 forward, 12 backward): 12 forward, 32 backward, against 8 and 16
of a single segment. So segments are made only where there are too few neurons to keep the memory busy; from ``LANES``
neurons on nothing differs from the ordinary executor, to the last bit. Results of several segments agree with it to
rounding. A map whose entries grow beyond the range of its numbers (an unstable neuron) gives inf or NaN.

Axes: T time, N neurons, C segments, K state variables.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ranvier.core.errors import ExecutorError
from ranvier.core.program import Program
from ranvier.kernels.gpu import launch
from ranvier.kernels.gpu.join import join
from ranvier.kernels.gpu.launch import Back, gather, run_forward
from ranvier.kernels.gpu.layout import layout
from ranvier.kernels.gpu.require import computed, require, require_gradients
from ranvier.kernels.scan.affine import affine
from ranvier.kernels.scan.steps import grown, is_diagonal, registers
from ranvier.kernels.twin import Backward, Coefficient, Forward

LANES = 2**18  # threads that keep the memory of a large GPU busy: 132 multiprocessors of 2048
SHORTEST = 32  # steps of a segment: below, its map takes as long as its steps
MOST = 128  # segments
UNIT = 16  # a segment is a multiple of the longest chunk


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> Forward:
    """Run a forward program over all time steps; see ``twin.forward``.

    Raises: as ``launch.forward``; ExecutorError for a step that is not affine in its state.
    """
    require(program, current_TN, states_N, coefficients)
    T, N = current_TN.shape
    length = segment_length(T, N)
    if length >= T or not states_N or not N:
        return run_forward(program, current_TN, states_N, coefficients)
    starts = _starts(program, current_TN, states_N, coefficients, length)
    outputs = [current_TN.new_empty(T, N) for _ in layout(program).outs]
    for first, last, count in _parts(T, length):
        inside = slice(first // length * N, (first // length + count) * N)
        run = run_forward(
            program, current_TN[first:last], [s[inside] for s in starts], coefficients,
            [o[first:last] for o in outputs], count,
        )  # fmt: skip
    return Forward(outputs, [s[-N:] for s in run.states])


def backward(
    program: Program, vjp: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None],
) -> Backward:  # fmt: skip
    """Carry gradients back through all time steps; see ``twin.backward``. Deterministic.

    Memory beside the results: as ``launch.backward``, and (K**2 + 4 K) numbers for each segment and neuron.
    Raises: as ``launch.backward``; ExecutorError for a step that is not affine in its state.
    """
    T, N = current_TN.shape if current_TN.ndim == 2 else (0, 0)
    length = segment_length(T, N)
    if length >= T or not states_N or not N:
        return launch.backward(program, vjp, current_TN, states_N, coefficients, grad_outputs_TN, grad_states_N)
    require(program, current_TN, states_N, coefficients)
    require_gradients(program, current_TN, grad_outputs_TN, grad_states_N)
    back = Back(program, vjp, coefficients, [None if g is None else g.contiguous() for g in grad_outputs_TN])
    starts = _starts(program, current_TN, states_N, coefficients, length)
    ends = _ends(back, current_TN, starts, grad_states_N, length)
    grad_current_TN = current_TN.new_empty(T, N)
    parts = []
    for first, last, count in _parts(T, length):
        inside = slice(first // length * N, (first // length + count) * N)
        given = [s[inside] for s in starts], [g[inside] for g in ends]
        parts.append(back.part(first, last).run(current_TN[first:last], *given, grad_current_TN[first:last], count))
    firsts = [g[:N] for g in parts[0][0]]
    sums = [torch.cat(s).reshape(-1, N).sum(0) for s in zip(*(sums for _, sums in parts), strict=True)]
    return Backward(grad_current_TN, firsts, [gather(s, c) for s, c in zip(sums, coefficients, strict=True)])


def segment_length(T: int, N: int) -> int:
    """Return the steps of a segment: enough segments for ``LANES``; all steps where one segment will do."""
    count = min(-(-LANES // max(N, 1)), T // SHORTEST, MOST)
    return T if count < 2 else -(-T // (count * UNIT)) * UNIT


def _parts(T: int, length: int) -> list[tuple[int, int, int]]:
    """List first step, end and number of segments of what one launch can do: the whole segments, and a shorter last."""
    whole = T // length
    parts = [(0, whole * length, whole), (whole * length, T, 1)]
    return [part for part in parts if part[0] < part[1]]


@lru_cache(maxsize=256)
def _grown(program: Program, before: str, after: str, prefix: str) -> Program:
    """Return the program that grows the map of a segment by a step."""
    found = affine(program, before=before, after=after)
    if isinstance(found, str):
        raise ExecutorError("kernels.gpu.scan", expected="a step that is affine in its state", got=found)
    fields = [name.removeprefix(before) for name in program.inputs if name.startswith(before)]
    return grown(found, fields, prefix)


def _starts(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient], length: int
) -> list[Tensor]:
    """Compute the states (C * N,) that the segments start from."""
    T, N = current_TN.shape
    count = -(-T // length) - 1  # the last segment leads nowhere
    step = _grown(program, "state.", "state.", "state.")
    fresh = [current_TN.new_zeros(count * N, dtype=computed(current_TN, states_N)) for _ in range(2)]
    identity = [fresh[is_diagonal(name)] for name in registers(len(states_N))]
    fresh[1].fill_(1.0)
    maps = run_forward(step, current_TN[: count * length], identity, coefficients, num_segments=count).states
    return join(maps, [s.contiguous() for s in states_N], back=False)


def _ends(
    back: Back, current_TN: Tensor, starts_CN: Sequence[Tensor], grad_states_N: Sequence[Tensor | None], length: int
) -> list[Tensor]:
    """Compute the gradients (C * N,) of the states that the segments end in."""
    T, N = current_TN.shape
    dtype = computed(current_TN, starts_CN)
    found = _grown(back.vjp, "grad.state.", "grad_state.", "map.")
    count = -(-T // length) - 1  # nothing goes on from the first segment
    maps = [current_TN.new_empty(count * N, dtype=dtype) for _ in registers(len(starts_CN))]
    for first, last, size in _parts(T - length, length):
        inside = slice(first // length * N, (first // length + size) * N)
        later, states = slice(first + length, last + length), [s[N:][inside] for s in starts_CN]
        part = back.part(later.start, later.stop)
        part.turn(found, current_TN[later], states, [m[inside] for m in maps], size)
    zero_N = current_TN.new_zeros(N, dtype=dtype)
    return join(maps, [zero_N if g is None else g.to(dtype).contiguous() for g in grad_states_N], back=True)
