"""Run programs over time on a GPU through Triton; see ``ranvier/kernels/twin.py`` for the meaning.

Axes: T time, N neurons (all other axes, flattened), K values of a coefficient.
"""

import hashlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.core.errors import DtypeError, ExecutorError, MissingExtraError, ShapeError
from ranvier.core.program import Program
from ranvier.kernels.gpu.layout import Layout, layout
from ranvier.kernels.gpu.source import print_backward, print_forward
from ranvier.kernels.twin import Backward, Coefficient, Forward

BLOCK, WARPS = 128, 4  # neurons and warps of a Triton program: one neuron a thread leaves registers for long chunks
FORWARD_CHUNK = 4  # steps whose loads are under way at once
REGISTERS = 32  # currents and states of a backward chunk that a neuron may hold in registers
UNROLLED = 768  # backward instructions of a chunk: more take registers and many seconds to compile
MAX_NEURONS = 2**31 - BLOCK  # neurons are numbered by 32-bit integers
WHERE = "kernels.gpu"

_layout = lru_cache(maxsize=1024)(layout)


def absence() -> str | None:
    """Say why this executor cannot run here; None if it can."""
    # Asked at every call: the search for a package costs 80 us, a look at those imported already nothing.
    if "triton" not in sys.modules and importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if not _interpreted() and not torch.cuda.is_available():
        return "there is no CUDA device"
    return None


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> Forward:
    """Run a forward program over all time steps.

    Args: current_TN: floating; 16-bit types are computed in float32. states_N: all float32 or all float64.
    Returns: outputs in the type of the current, states in their own.
    Raises: MissingExtraError or ExecutorError if it cannot run here; ShapeError, DtypeError, FormatError.
    """
    step = _layout(program)
    dtype = _require(step, current_TN, states_N, coefficients)
    T, N = current_TN.shape
    outputs = [current_TN.new_empty(T, N) for _ in step.outs]
    finals = [current_TN.new_empty(N, dtype=dtype) for _ in step.states]
    arguments = [*_inputs(current_TN, states_N, coefficients), *outputs, *finals]
    _launch(_forward_kernel(program), arguments, current_TN, divmod(T, FORWARD_CHUNK), dtype)
    return Forward(outputs, finals)


def backward(
    program: Program, vjp: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None],
) -> Backward:  # fmt: skip
    """Carry gradients back through all time steps, computing the states again.

    Deterministic: gradients of coefficients are added up over time for each neuron, then over neurons in a fixed order.
    Memory beside the results: the states once every chunk of up to 16 steps.

    Args, Raises: as for ``forward``; a gradient that is None is zero.
    """
    step = _layout(program)
    dtype = _require(step, current_TN, states_N, coefficients)
    _require_gradients(step, current_TN, grad_outputs_TN, grad_states_N)
    T, N = current_TN.shape
    chunk = chunk_length(T, len(step.states), len(vjp.body))
    num_chunks, num_single = divmod(T, chunk)
    kept_chunks, kept_single = (num_chunks, num_single - 1) if num_single else (max(num_chunks - 1, 0), 0)

    grad_current_TN = current_TN.new_empty(T, N)
    firsts = [current_TN.new_empty(N, dtype=dtype) for _ in step.states]
    sums = [current_TN.new_empty(N, dtype=dtype) for _ in step.coefs]
    scratch = current_TN.new_empty(kept_chunks + kept_single, len(step.states), N, dtype=dtype)
    given = [g.contiguous() for g in (*grad_outputs_TN, *grad_states_N) if g is not None]
    arguments = [*_inputs(current_TN, states_N, coefficients), *given, grad_current_TN, *firsts, *sums, scratch]
    counts = (num_chunks, num_single, kept_chunks, kept_single)
    has_grad_out, has_grad_state = (tuple(g is not None for g in grads) for grads in (grad_outputs_TN, grad_states_N))
    kernel = _backward_kernel(program, vjp, chunk, has_grad_out, has_grad_state)
    _launch(kernel, arguments, current_TN, counts, dtype)
    return Backward(grad_current_TN, firsts, [_gather(s, c) for s, c in zip(sums, coefficients, strict=True)])


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


def load(source: str) -> Any:
    """Make the kernel ``run`` of a printed module.

    Triton reads the text of a kernel through ``inspect``. ``linecache`` holds it, so that nothing is written to disk.
    """
    name = f"ranvier_gpu_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    # A modification time of None keeps linecache from looking for a file and dropping the text.
    linecache.cache[f"{name}.py"] = (len(source), None, source.splitlines(keepends=True), f"{name}.py")
    module: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), module)  # noqa: S102 - our own printer's text, from checked programs
    return module["run"]


def _launch(kernel: Any, arguments: list[Any], current_TN: Tensor, counts: Sequence[int], dtype: torch.dtype) -> None:
    import triton.language as tl

    # Triton's interpreter makes arrays of whole numbers, which newer numpy refuses as the bounds of a loop.
    counts = [tl.constexpr(c) for c in counts] if _interpreted() else counts
    num_neurons = current_TN.shape[1]
    grid = ((num_neurons + BLOCK - 1) // BLOCK,)
    number = tl.float64 if dtype == torch.float64 else tl.float32
    if num_neurons:
        with _device(current_TN):
            # Without fused multiply-add the results are those of torch, which rounds after each operation.
            kernel[grid](*arguments, num_neurons, *counts, BLOCK, number, num_warps=WARPS, enable_fp_fusion=False)


def _device(like: Tensor) -> AbstractContextManager[Any]:
    if like.is_cuda:
        return torch.cuda.device(like.device)
    return np.errstate(all="ignore")  # the interpreter computes in numpy, which warns where a GPU gives inf or NaN


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def _inputs(current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]) -> list[Any]:
    inputs: list[Any] = [t.contiguous() for t in (current_TN, *states_N)]
    for c in coefficients:
        # An inner beyond the neurons means the same as one equal to them, but might not fit into 32 bits.
        inputs += [c.values.contiguous(), min(c.inner, max(current_TN.shape[1], 1)), len(c.values)]
    return inputs


def _gather(sums_N: Tensor, coefficient: Coefficient) -> Tensor:
    """Add up what the neurons that share a value have gathered; index_add would do it in any order on a GPU."""
    N, K = len(sums_N), len(coefficient.values)
    inner = min(coefficient.inner, max(N, 1))
    used = max(min(K, -(-N // inner)), 1)
    rows = torch.nn.functional.pad(sums_N, (0, -N % (used * inner))).reshape(-1, used, inner)
    return torch.nn.functional.pad(rows.sum((0, 2)), (0, K - used)).to(coefficient.values.dtype)


def _require(
    step: Layout, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> torch.dtype:
    """Refuse what cannot run: a kernel reads memory by address and checks nothing.

    Returns: the type of number to compute in.
    """
    if (reason := absence()) is not None:
        if "installed" in reason:
            raise MissingExtraError(
                WHERE, expected="triton", got="no such package", mend='Install it: pip install "ranvier[gpu]".'
            )
        mend = "Run on a CUDA device, or set TRITON_INTERPRET=1 before Python starts to interpret kernels (slow)."
        raise ExecutorError(WHERE, expected="a CUDA device", got="none", mend=mend)
    tensors = (current_TN, *states_N, *(c.values for c in coefficients))
    if any(t.device != current_TN.device for t in tensors) or not (current_TN.is_cuda or _interpreted()):
        got = ", ".join(sorted({str(t.device) for t in tensors}))
        raise ExecutorError(WHERE, expected="all tensors on one CUDA device", got=got)
    dtype = states_N[0].dtype if states_N else torch.promote_types(current_TN.dtype, torch.float32)
    if dtype not in (torch.float32, torch.float64) or any(s.dtype != dtype for s in states_N):
        got = ", ".join(str(s.dtype) for s in states_N)
        raise DtypeError(WHERE, expected="states that are all float32 or all float64", got=got or str(dtype))
    if not all(t.dtype.is_floating_point for t in tensors):
        raise DtypeError(WHERE, expected="floating tensors", got=", ".join(str(t.dtype) for t in tensors))
    if current_TN.ndim != 2 or current_TN.shape[1] > MAX_NEURONS:
        raise ShapeError(
            WHERE, expected=f"a current (T, N) of at most {MAX_NEURONS} neurons", got=str(tuple(current_TN.shape))
        )
    _require_shapes("states", [current_TN.shape[1:]] * len(step.states), states_N)
    if len(coefficients) != len(step.coefs) or any(c.values.ndim != 1 or c.inner < 1 for c in coefficients):
        got = ", ".join(f"{tuple(c.values.shape)} with inner {c.inner}" for c in coefficients)
        raise ShapeError(WHERE, expected=f"{len(step.coefs)} coefficients (K,) with inner >= 1", got=got or "none")
    if any(len(c.values) == 0 for c in coefficients):
        raise ShapeError(WHERE, expected="coefficients of at least one value", got="one with none")
    return dtype


def _require_gradients(
    step: Layout, current_TN: Tensor, grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None]
) -> None:
    _require_shapes("gradients of the outputs", [current_TN.shape] * len(step.outs), grad_outputs_TN)
    _require_shapes("gradients of the final states", [current_TN.shape[1:]] * len(step.states), grad_states_N)
    for g in (*grad_outputs_TN, *grad_states_N):
        if g is not None and (g.device != current_TN.device or not g.dtype.is_floating_point):
            raise DtypeError(
                WHERE, expected=f"floating gradients on {current_TN.device}", got=f"{g.dtype} on {g.device}"
            )


def _require_shapes(what: str, expected: Sequence[torch.Size], got: Sequence[Tensor | None]) -> None:
    shapes = [None if t is None else t.shape for t in got]
    if len(shapes) != len(expected) or any(s is not None and s != e for s, e in zip(shapes, expected, strict=True)):
        words = [", ".join("None" if s is None else str(tuple(s)) for s in side) for side in (expected, shapes)]
        raise ShapeError(WHERE, expected=f"{what} of shapes {words[0] or 'none'}", got=words[1] or "none")
