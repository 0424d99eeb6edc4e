"""Refuse what cannot run on a GPU: a kernel reads memory by address and checks nothing. Axes: T time, N neurons."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ranvier.core.errors import DtypeError, ExecutorError, MissingExtraError, ShapeError
from ranvier.core.program import Program
from ranvier.kernels.gpu import device
from ranvier.kernels.gpu.layout import layout
from ranvier.kernels.twin import Coefficient

MAX_NEURONS = 2**31 - 128  # neurons, rounded up to whole blocks, are numbered by 32-bit integers
WHERE = "kernels.gpu"


def computed(current_TN: Tensor, states: Sequence[Tensor]) -> torch.dtype:
    """Return the type of number to compute in: that of the states."""
    return states[0].dtype if states else torch.promote_types(current_TN.dtype, torch.float32)


def require(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> None:
    """Check the device, the types and the shapes of a run.

    Raises: MissingExtraError, ExecutorError, ShapeError, DtypeError, FormatError.
    """
    step = layout(program)
    if (reason := device.absence()) is not None:
        if "installed" in reason:
            raise MissingExtraError(
                WHERE, expected="triton", got="no such package", mend='Install it: pip install "ranvier[gpu]".'
            )
        mend = "Run on a CUDA device, or set TRITON_INTERPRET=1 before Python starts to interpret kernels (slow)."
        raise ExecutorError(WHERE, expected="a CUDA device", got="none", mend=mend)
    tensors = (current_TN, *states_N, *(c.values for c in coefficients))
    if any(t.device != current_TN.device for t in tensors) or not (current_TN.is_cuda or device.interpreted()):
        got = ", ".join(sorted({str(t.device) for t in tensors}))
        raise ExecutorError(WHERE, expected="all tensors on one CUDA device", got=got)
    dtype = computed(current_TN, states_N)
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


def require_gradients(
    program: Program, current_TN: Tensor, grad_outputs_TN: Sequence[Tensor | None],
    grad_states_N: Sequence[Tensor | None],
) -> None:  # fmt: skip
    """Check the gradients that come into a backward pass.

    Raises: ShapeError, DtypeError.
    """
    step = layout(program)
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
