"""Run programs over time on a GPU through Triton; see ``ranvier/kernels/twin.py`` for the meaning.

Axes: T time, N neurons (all other axes, flattened), C segments of time, K values of a coefficient.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.core.program import Program
from ranvier.kernels.gpu.device import call, load
from ranvier.kernels.gpu.layout import layout
from ranvier.kernels.gpu.require import computed, require, require_gradients
from ranvier.kernels.gpu.source import print_backward, print_forward, print_turn
from ranvier.kernels.scan.steps import registers
from ranvier.kernels.twin import Backward, Coefficient, Forward

BLOCK = 128  # lanes of a Triton program: one a thread leaves registers for long chunks
FORWARD_CHUNK = 4  # steps whose loads are under way at once
REGISTERS = 32  # currents and states of a backward chunk that a neuron may hold in registers
UNROLLED = 768  # backward instructions of a chunk: more take registers and many seconds to compile


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> Forward:
    """Run a forward program over all time steps.

    Args: current_TN: floating; 16-bit types are computed in float32. states_N: all float32 or all float64.
    Returns: outputs in the type of the current, states in their own.
    Raises: MissingExtraError or ExecutorError if it cannot run here; ShapeError, DtypeError, FormatError.
    """
    require(program, current_TN, states_N, coefficients)
    return run_forward(program, current_TN, states_N, coefficients)


def run_forward(
    program: Program, current_TN: Tensor, starts_CN: Sequence[Tensor], coefficients: Sequence[Coefficient],
    outputs_TN: Sequence[Tensor] | None = None, num_segments: int = 1,
) -> Forward:  # fmt: skip
    """Run C segments of time of equal length side by side.

    Args: current_TN: T, a multiple of C. starts_CN: the states that each segment starts from, (C * N,). outputs_TN:
        to be written; None makes them.
    Returns: the outputs, and the states at the end of each segment, (C * N,).
    """
    step, dtype = layout(program), computed(current_TN, starts_CN)
    (T, N), lanes = current_TN.shape, num_segments * current_TN.shape[1]
    if outputs_TN is None:
        outputs_TN = [current_TN.new_empty(T, N) for _ in step.outs]
    finals = [current_TN.new_empty(lanes, dtype=dtype) for _ in step.states]
    arguments = [*_inputs(current_TN, starts_CN, coefficients), *outputs_TN, *finals, N]
    length = T // num_segments
    counts = (lanes, length * N, *divmod(length, FORWARD_CHUNK))
    call(_forward_kernel(program), -(-lanes // BLOCK), arguments, counts, (BLOCK,), current_TN, dtype)
    return Forward(list(outputs_TN), finals)


def backward(
    program: Program, vjp: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None],
) -> Backward:  # fmt: skip
    """Carry gradients back through all time steps, computing the states again.

    Deterministic: gradients of coefficients are added up over time for each neuron, then over neurons in a fixed order.
    Memory beside the results: the states once every chunk of up to 16 steps.

    Args, Raises: as for ``forward``; a gradient that is None is zero.
    """
    require(program, current_TN, states_N, coefficients)
    require_gradients(program, current_TN, grad_outputs_TN, grad_states_N)
    back = Back(program, vjp, coefficients, [None if g is None else g.contiguous() for g in grad_outputs_TN])
    grad_current_TN = current_TN.new_empty(current_TN.shape)
    firsts, sums = back.run(current_TN, states_N, grad_states_N, grad_current_TN)
    return Backward(grad_current_TN, firsts, [gather(s, c) for s, c in zip(sums, coefficients, strict=True)])


class Back(NamedTuple):
    """A backward pass through a stretch of time."""

    program: Program
    vjp: Program
    coefficients: Sequence[Coefficient]
    grad_outputs_TN: Sequence[Tensor | None]  # contiguous

    def part(self, first: int, last: int) -> "Back":
        """Return the pass through some of the steps."""
        return self._replace(grad_outputs_TN=[None if g is None else g[first:last] for g in self.grad_outputs_TN])

    def run(
        self, current_TN: Tensor, starts_CN: Sequence[Tensor], grad_states_CN: Sequence[Tensor | None],
        grad_current_TN: Tensor, num_segments: int = 1,
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        """Carry gradients back through C segments of equal length side by side.

        Args: starts_CN, grad_states_CN: states at the start, gradients at the end of each segment, (C * N,).
            grad_current_TN: to be written.
        Returns: gradients of the starts, and of the coefficients summed over a segment, (C * N,) each.
        """
        step, dtype = layout(self.program), computed(current_TN, starts_CN)
        lanes, length = num_segments * current_TN.shape[1], current_TN.shape[0] // num_segments
        chunk = chunk_length(length, len(step.states), len(self.vjp.body))
        firsts, sums = (
            [current_TN.new_empty(lanes, dtype=dtype) for _ in names] for names in (step.states, step.coefs)
        )
        given = [g.contiguous() for g in (*self.grad_outputs_TN, *grad_states_CN) if g is not None]
        has = (tuple(g is not None for g in grads) for grads in (self.grad_outputs_TN, grad_states_CN))
        kernel = _backward_kernel(self.program, self.vjp, chunk, *has)
        self._walk(kernel, chunk, current_TN, starts_CN, [*given, grad_current_TN, *firsts, *sums], num_segments)
        return firsts, sums

    def turn(
        self, found: Program, current_TN: Tensor, starts_CN: Sequence[Tensor], maps_CN: Sequence[Tensor],
        num_segments: int = 1,
    ) -> None:  # fmt: skip
        """Compute what each segment does to a gradient that comes back through it.

        Args: found: grows such a map by a step, see ``print_turn``. maps_CN: to be written, in the order of
            ``registers``.
        """
        num_states = len(layout(self.program).states)
        chunk = chunk_length(current_TN.shape[0] // num_segments, len(maps_CN) + num_states, len(found.body))
        given = [g for g in self.grad_outputs_TN if g is not None]
        kernel = _turn_kernel(
            self.program, found, num_states, chunk, tuple(g is not None for g in self.grad_outputs_TN)
        )
        self._walk(kernel, chunk, current_TN, starts_CN, [*given, *maps_CN], num_segments)

    def _walk(
        self, kernel: Any, chunk: int, current_TN: Tensor, starts_CN: Sequence[Tensor], arguments: Sequence[Tensor],
        num_segments: int,
    ) -> None:  # fmt: skip
        dtype, N = computed(current_TN, starts_CN), current_TN.shape[1]
        lanes, length = num_segments * N, current_TN.shape[0] // num_segments
        num_chunks, num_single = divmod(length, chunk)
        kept_chunks, kept_single = (num_chunks, num_single - 1) if num_single else (max(num_chunks - 1, 0), 0)
        scratch = current_TN.new_empty(kept_chunks + kept_single, len(starts_CN), lanes, dtype=dtype)
        taken = [*_inputs(current_TN, starts_CN, self.coefficients), *arguments, scratch, N]
        counts = (lanes, length * N, num_chunks, num_single, kept_chunks, kept_single)
        call(kernel, -(-lanes // BLOCK), taken, counts, (BLOCK,), current_TN, dtype)


def chunk_length(num_steps: int, num_states: int, num_instructions: int) -> int:
    """Return how many steps the backward kernel unrolls: a power of two, at most 16, that registers have room for."""
    room = min(16, REGISTERS // (num_states + 1), UNROLLED // max(num_instructions, 1), num_steps)
    return 1 << max(room.bit_length() - 1, 0)


@lru_cache(maxsize=256)
def _forward_kernel(program: Program) -> Any:
    return load(print_forward(program, chunk=FORWARD_CHUNK))


@lru_cache(maxsize=256)
def _backward_kernel(
    program: Program, vjp: Program, chunk: int, has_grad_out: tuple[bool, ...], has_grad_state: tuple[bool, ...]
) -> Any:
    text = print_backward(program, vjp, chunk=chunk, has_grad_out=has_grad_out, has_grad_state=has_grad_state)
    return load(text)


@lru_cache(maxsize=256)
def _turn_kernel(program: Program, found: Program, num_states: int, chunk: int, has_grad_out: tuple[bool, ...]) -> Any:
    return load(print_turn(program, found, registers(num_states), chunk=chunk, has_grad_out=has_grad_out))


def _inputs(current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]) -> list[Any]:
    inputs: list[Any] = [t.contiguous() for t in (current_TN, *states_N)]
    for c in coefficients:
        # An inner beyond the neurons means the same as one equal to them, but might not fit into 32 bits.
        inputs += [c.values.contiguous(), min(c.inner, max(current_TN.shape[1], 1)), len(c.values)]
    return inputs


def gather(sums_N: Tensor, coefficient: Coefficient) -> Tensor:
    """Add up what the neurons that share a value have gathered; index_add would do it in any order on a GPU."""
    N, K = len(sums_N), len(coefficient.values)
    inner = min(coefficient.inner, max(N, 1))
    used = max(min(K, -(-N // inner)), 1)
    rows = torch.nn.functional.pad(sums_N, (0, -N % (used * inner))).reshape(-1, used, inner)
    return torch.nn.functional.pad(rows.sum((0, 2)), (0, K - used)).to(coefficient.values.dtype)
