"""Run programs over time on a GPU through Triton; see ``ranvier/kernels/twin.py`` for the meaning.

Axes: T time, N neurons (all other axes, flattened).
"""

import hashlib
import importlib.util
import linecache
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.core.errors import DtypeError, ExecutorError, MissingExtraError, ShapeError
from ranvier.kernels.gpu.layout import layout
from ranvier.kernels.gpu.source import print_backward, print_forward
from ranvier.kernels.program import Program
from ranvier.kernels.twin import Backward, Coefficient, Forward

BLOCK, WARPS = 256, 4  # neurons and warps of a Triton program: 8 bytes a thread and load in float32
FORWARD_CHUNK = 4  # steps whose loads are under way at once
REGISTERS = 32  # currents and states of a backward chunk that a neuron may hold in registers
MAX_NEURONS = 2**31 - BLOCK  # neurons are numbered by 32-bit integers


def absence() -> str | None:
    """Say why this executor cannot run here; None if it can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if not _interpreted() and not torch.cuda.is_available():
        return "there is no CUDA device"
    return None


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> Forward:
    """Run a forward program over all time steps.

    Args: current_TN: floating; 16-bit types are computed in the type of the states. states_N: float32 or float64.
    Returns: outputs in the type of the current, states in their own.
    Raises: MissingExtraError, ExecutorError if it cannot run here; ShapeError, DtypeError, FormatError.
    """
    step, (T, N) = layout(program), current_TN.shape
    _require(len(step.states), current_TN, states_N, len(step.coefs), coefficients)
    outputs = [torch.empty_like(current_TN, memory_format=torch.contiguous_format) for _ in step.outs]
    finals = [torch.empty_like(s, memory_format=torch.contiguous_format) for s in states_N]
    arguments = [*_inputs(current_TN, states_N, coefficients), *outputs, *finals]
    counts = divmod(T, FORWARD_CHUNK)
    _launch(_forward_kernel(program), arguments, N, counts, states_N[0] if states_N else current_TN)
    return Forward(outputs, finals)


def backward(
    program: Program, vjp: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None],
) -> Backward:  # fmt: skip
    """Carry gradients back through all time steps, computing the states again.

    Deterministic: coefficients' gradients are added up for each neuron over time, then over neurons in a fixed order.
    Memory beside the results: the states once every chunk of up to 16 steps.

    Args, Raises: as for ``forward``; a gradient that is None is zero.
    """
    step, (T, N) = layout(program), current_TN.shape
    _require(len(step.states), current_TN, states_N, len(step.coefs), coefficients)
    _require_gradients(len(step.outs), current_TN, states_N, grad_outputs_TN, grad_states_N)
    chunk = chunk_length(T, len(step.states))
    num_chunks, num_single = divmod(T, chunk)
    kept_chunks, kept_single = (num_chunks, num_single - 1) if num_single else (max(num_chunks - 1, 0), 0)

    grad_current_TN = torch.empty_like(current_TN, memory_format=torch.contiguous_format)
    like = states_N[0] if states_N else current_TN
    firsts = [like.new_empty(N) for _ in states_N]
    sums = [like.new_empty(N) for _ in coefficients]
    scratch = like.new_empty(kept_chunks + kept_single, len(states_N), N)
    given = [g.contiguous() for g in (*grad_outputs_TN, *grad_states_N) if g is not None]
    arguments = [*_inputs(current_TN, states_N, coefficients), *given, grad_current_TN, *firsts, *sums, scratch]
    has = tuple(g is not None for g in grad_outputs_TN), tuple(g is not None for g in grad_states_N)
    counts = (num_chunks, num_single, kept_chunks, kept_single)
    _launch(_backward_kernel(program, vjp, chunk, *has), arguments, N, counts, like)
    return Backward(grad_current_TN, firsts, [_gather(s, c) for s, c in zip(sums, coefficients, strict=True)])


def chunk_length(num_steps: int, num_states: int) -> int:
    """Return how many steps the backward kernel unrolls: a power of two, at most 16, that registers have room for."""
    room = min(16, REGISTERS // (num_states + 1), num_steps)
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


def load(source: str) -> Any:
    """Make the kernel ``run`` of a printed module.

    Triton reads a kernel's source through ``inspect``; the text is given to ``linecache``, so that no file is needed.
    """
    name = f"ranvier_gpu_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    # A modification time of None keeps linecache from looking for a file and dropping the text.
    linecache.cache[f"{name}.py"] = (len(source), None, source.splitlines(keepends=True), f"{name}.py")
    module: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), module)  # noqa: S102 - text of our own printer, from checked programs
    return module["run"]


def _launch(kernel: Any, arguments: list[Any], num_neurons: int, counts: Sequence[int], like: Tensor) -> None:
    if num_neurons == 0:
        return
    import triton.language as tl

    dtype = tl.float64 if like.dtype == torch.float64 else tl.float32
    grid = ((num_neurons + BLOCK - 1) // BLOCK,)
    with _device(like):
        # Without fused multiply-add the results are those of torch, which rounds after each operation.
        kernel[grid](*arguments, num_neurons, *counts, BLOCK, dtype, num_warps=WARPS, enable_fp_fusion=False)


def _device(like: Tensor) -> AbstractContextManager[Any]:
    if like.is_cuda:
        return torch.cuda.device(like.device)
    return np.errstate(all="ignore")  # the interpreter computes in numpy, which warns where a GPU gives inf or NaN


def _inputs(current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]) -> list[Any]:
    tensors = [t.contiguous() for t in (current_TN, *states_N)]
    num_neurons = max(current_TN.shape[1], 1)  # an inner beyond it means the same, but might not fit into 32 bits
    return tensors + [x for c in coefficients for x in (c.values.contiguous(), min(c.inner, num_neurons), len(c.values))]


def _gather(sums_N: Tensor, coefficient: Coefficient) -> Tensor:
    """Add up what the neurons that share a value have gathered, in a fixed order."""
    num_neurons, K = len(sums_N), len(coefficient.values)
    inner = min(coefficient.inner, max(num_neurons, 1))
    used = max(min(K, -(-num_neurons // inner)), 1)
    padded = torch.nn.functional.pad(sums_N, (0, -num_neurons % (used * inner)))
    totals = padded.reshape(-1, used, inner).sum((0, 2))
    return torch.nn.functional.pad(totals, (0, K - used)).to(coefficient.values.dtype)


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"
