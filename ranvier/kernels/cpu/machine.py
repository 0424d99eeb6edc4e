"""Run programs on the vector machine: the meaning of ``ranvier.kernels.twin``, block by block in C++.

T time, N neurons.
"""

from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined] # public, though not marked so

from ranvier.core.extension import Extension
from ranvier.core.program import Program, parse, prune
from ranvier.kernels.cpu.buffers import SMALLEST, fresh
from ranvier.kernels.cpu.encode import encode
from ranvier.kernels.twin import Backward, Coefficient, Forward

if TYPE_CHECKING:
    from ranvier.kernels.cpu._machine import Code


# A normalisation of the current on its way in, y = x * scale + shift: (scale, shift, center, inner), the first three
# (C,); neuron n is of channel (n // inner) % C. center is the mean, which sums of gradients are taken around.
Normal = tuple[Tensor, Tensor, Tensor, int]

EXTENSION = Extension(
    "ranvier.kernels.cpu._machine",
    "the C++ vector machine",
    mend='Install a wheel that has it, or build from source with a C++ compiler, or use executor="reference".',
)


def absence() -> str | None:
    """Say why the machine cannot be used here; None if it can."""
    return EXTENSION.absence()


def _machine() -> ModuleType:
    return EXTENSION.module('executor "cpu"')


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


@lru_cache(maxsize=256)
def forward_text(program: str) -> "Code":
    """Return the code of a forward program given as text."""
    return _forward_code(parse(program))


@lru_cache(maxsize=256)
def backward_text(program: str, vjp: str) -> _Codes:
    """Return the codes of a backward run of programs given as text."""
    return _backward_codes(parse(program), parse(vjp))


def _rows(x_TN: Tensor) -> object:
    """Hand a (T, N) tensor to the machine, which wants neurons side by side.

    The bare DLPack capsule costs a tenth of what the tensor's own protocol method does: 0.2 us against 2.
    """
    if x_TN.shape[1] > 1 and x_TN.stride(1) != 1:
        x_TN = x_TN.contiguous() if x_TN.numel() else x_TN.new_empty(x_TN.shape)  # whose strides are any, if empty
    return to_dlpack(x_TN)


def _row(x_N: Tensor) -> object:
    return to_dlpack(x_N.contiguous())


def _state(x_N: Tensor) -> object:
    """Hand a state to the machine, which takes one number for all neurons as well."""
    return to_dlpack(x_N if x_N.stride(0) < 2 else x_N.contiguous())


def _fresh(x: Tensor) -> Tensor:
    """Allocate a contiguous result of the shape and type of another tensor."""
    # Small ones the quickest way PyTorch has: 1 us against 2.5.
    if x.nbytes < SMALLEST:
        return torch.empty_like(x, memory_format=torch.contiguous_format)
    return fresh(x.shape, x.dtype)


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    *, variant: str | None = None,
) -> Forward:  # fmt: skip
    """Run a forward program over all time steps; see ``twin.forward``.

    Args: current_TN: float32 or float64, on the CPU; all tensors have its type. Or bfloat16 or float16, as are then
        the outputs, with everything else float32: numbers are widened and rounded block by block. variant: the
        instruction set, for tests; the best one by default.
    Raises: ExecutorError if the machine is absent.
    """
    values, inners = [c.values for c in coefficients], [c.inner for c in coefficients]
    return forward_coded(_forward_code(program), current_TN, states_N, values, inners, variant=variant)


def forward_coded(
    code: "Code", current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    *, variant: str | None = None, normal: Normal | None = None,
) -> Forward:  # fmt: skip
    """Run an encoded forward program; see ``forward``. normal: done to the current before the step reads it."""
    outputs = [_fresh(current_TN) for _ in range(code.outputs)]
    states = [_fresh(s) for s in states_N]
    _machine().forward(
        code, _rows(current_TN), [_state(s) for s in states_N], [_row(c) for c in coefficients], inners,
        [to_dlpack(x) for x in outputs], [to_dlpack(x) for x in states], torch.get_num_threads(), variant,
        _normal(normal),
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
    found = backward_coded(
        _backward_codes(program, vjp), current_TN, states_N, [c.values for c in coefficients],
        [c.inner for c in coefficients], grad_outputs_TN, grad_states_N, variant=variant,
    )  # fmt: skip
    current, states, rest = found[0], found[1 : 1 + len(states_N)], found[1 + len(states_N) :]
    return Backward(cast(Tensor, current), cast(list[Tensor], states), cast(list[Tensor], rest))


def backward_coded(
    codes: _Codes, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor],
    inners: Sequence[int], grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None],
    wanted: Sequence[bool] | None = None, *, variant: str | None = None, normal: Normal | None = None,
) -> list[Tensor | None]:  # fmt: skip
    """Run encoded programs back; see ``backward``.

    Args: wanted: whether the gradient of the current, and of each initial state, is asked for; all by default.
        normal: as ``forward_coded``. The gradient of the current is then that of the normalised one.
    Returns: gradients of the current, the initial states and the coefficients, None where not wanted; with ``normal``
        also, for each channel, the sum of the current's gradient g, and that of g * (x - center).
    """
    inputs = (current_TN, *states_N)
    grads = [_fresh(x) if wanted is None or wanted[k] else None for k, x in enumerate(inputs)]
    grad_coefficients = [_fresh(c) for c in coefficients]
    grad_normal = [] if normal is None else [_fresh(normal[0]), _fresh(normal[0])]
    targets = [None if g is None else to_dlpack(g) for g in grads]
    _machine().backward(
        codes.replay, codes.code, _rows(current_TN), [_state(s) for s in states_N], [_row(c) for c in coefficients],
        inners, [None if g is None else _rows(g) for g in grad_outputs_TN],
        [None if g is None else _row(g) for g in grad_states_N], targets[0], targets[1:],
        [to_dlpack(x) for x in grad_coefficients], torch.get_num_threads(), variant, _normal(normal),
        [to_dlpack(x) for x in grad_normal],
    )  # fmt: skip
    return [*grads, *grad_coefficients, *grad_normal]


def spread(x_TN: Tensor, grad_TN: Tensor, normal: Normal, slope: Tensor, *, variant: str | None = None) -> None:
    """Carry gradients back through a normalisation, in place: g = g * scale + (x - center) * slope + shift.

    Args: x_TN, grad_TN: of one type; g is rounded to it. normal: its shift is that of this formula. slope: (C,).
    """
    _machine().spread(_rows(x_TN), to_dlpack(grad_TN), _normal(normal), _row(slope), torch.get_num_threads(), variant)


def _normal(normal: Normal | None) -> object:
    return None if normal is None else (*(_row(x) for x in normal[:3]), normal[3])
