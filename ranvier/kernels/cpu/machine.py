"""Run programs on the vector machine: the meaning of ``ranvier.kernels.twin``, block by block in C++.

T time, N neurons.
"""

from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined] # public, though not marked so

from ranvier.core.errors import ExecutorError
from ranvier.core.program import Program, prune
from ranvier.kernels.cpu.encode import encode
from ranvier.kernels.twin import Backward, Coefficient, Forward

if TYPE_CHECKING:
    from ranvier.kernels.cpu._machine import Code


@lru_cache(maxsize=1)
def _load() -> ModuleType | str:
    """Import the extension, late; return it, or why it cannot be used."""
    try:
        from ranvier.kernels.cpu import _machine
    except ImportError as error:
        return f"the compiled extension ranvier.kernels.cpu._machine cannot be imported ({error})"
    module: ModuleType = _machine
    return module


def absence() -> str | None:
    """Say why the machine cannot be used here; None if it can."""
    loaded = _load()
    return loaded if isinstance(loaded, str) else None


def _machine() -> ModuleType:
    loaded = _load()
    if isinstance(loaded, str):
        raise ExecutorError(
            'executor "cpu"', expected="the C++ vector machine", got=loaded,
            mend='Install a wheel that has it, or build from source with a C++ compiler, or use executor="reference".',
        )  # fmt: skip
    return loaded


def _opcodes() -> dict[str, int]:
    return {name: number for number, name in enumerate(_machine().opcodes())}


class _Codes(NamedTuple):
    """The encoded programs of a backward run."""

    replay: "Code"  # the forward program without outputs
    code: "Code"


@lru_cache(maxsize=256)
def _forward_code(program: Program) -> "Code":
    code: Code = _machine().Code.forward(*encode(program, _opcodes()))
    return code


def _replay(program: Program) -> Program:
    """Return a forward program without its outputs."""
    states = tuple((name, value) for name, value in program.outputs if name.startswith("state."))
    return prune(Program(program.inputs, program.body, states))


@lru_cache(maxsize=256)
def _backward_codes(program: Program, vjp: Program) -> _Codes:
    return _Codes(_forward_code(_replay(program)), _machine().Code.backward(*encode(vjp, _opcodes())))


def _rows(x_TN: Tensor) -> object:
    """Hand a (T, N) tensor to the machine, which wants neurons side by side.

    The bare DLPack capsule costs a tenth of what the tensor's own protocol method does: 0.2 us against 2.
    """
    return to_dlpack(x_TN if x_TN.shape[1] <= 1 or x_TN.stride(1) == 1 else x_TN.contiguous())


def _row(x_N: Tensor) -> object:
    return to_dlpack(x_N.contiguous())


def _fresh(x: Tensor) -> Tensor:
    """Allocate a contiguous result of the shape and type of another tensor."""
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    *, variant: str | None = None,
) -> Forward:  # fmt: skip
    """Run a forward program over all time steps; see ``twin.forward``.

    Args: current_TN: float32 or float64, on the CPU; all tensors have its type. variant: the instruction set, for
        tests; the best one by default.
    Raises: ExecutorError if the machine is absent.
    """
    code = _forward_code(program)
    outputs = [_fresh(current_TN) for _ in range(code.outputs)]
    states = [_fresh(s) for s in states_N]
    _machine().forward(
        code, _rows(current_TN), [_row(s) for s in states_N], [_row(c.values) for c in coefficients],
        [c.inner for c in coefficients], [to_dlpack(x) for x in outputs], [to_dlpack(x) for x in states],
        torch.get_num_threads(), variant,
    )  # fmt: skip
    return Forward(outputs, states)


def backward(
    program: Program, vjp: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None], *, variant: str | None = None,
) -> Backward:  # fmt: skip
    """Recompute the states block by block and run the backward program; see ``twin.backward``.

    Gradients of coefficients are summed over time in the tensors' type and over neurons in float64, in an order that
    depends on N alone.
    """
    codes = _backward_codes(program, vjp)
    grad_current = _fresh(current_TN)
    grad_states = [_fresh(s) for s in states_N]
    grad_coefficients = [_fresh(c.values) for c in coefficients]
    _machine().backward(
        codes.replay, codes.code, _rows(current_TN), [_row(s) for s in states_N],
        [_row(c.values) for c in coefficients], [c.inner for c in coefficients],
        [None if g is None else _rows(g) for g in grad_outputs_TN],
        [None if g is None else _row(g) for g in grad_states_N], to_dlpack(grad_current),
        [to_dlpack(x) for x in grad_states], [to_dlpack(x) for x in grad_coefficients],
        torch.get_num_threads(), variant,
    )  # fmt: skip
    return Backward(grad_current, grad_states, grad_coefficients)
