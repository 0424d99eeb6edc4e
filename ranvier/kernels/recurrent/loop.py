"""Run the compiled recurrent loop: I[t] = x[t] + (b + W s[t-1]) drives a neuron's program, s its spikes.

T time, B sequences, N neurons; R rows, J inputs, M outputs of a plain product. Sums over what is not zero go in
ascending order, starting from the bias, and are rounded after every addition: the same bits for any number of threads
and any instruction set. Products of gradients are dense, and the same bits for any number of threads.
"""

from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined] # public, though not marked so

from ranvier.core.extension import Extension
from ranvier.core.program import Program, prune
from ranvier.kernels.cpu.buffers import fresh
from ranvier.kernels.cpu.encode import encode
from ranvier.kernels.packed import PackedSpikes
from ranvier.kernels.twin import Coefficient

if TYPE_CHECKING:
    from ranvier.kernels.recurrent._loop import Steps


class Forward(NamedTuple):
    """What a forward run leaves."""

    outputs: list[Tensor]  # (T, B, N) each, in the order of the program's out.*
    states: list[Tensor]  # (B, N) each, after the last step
    currents: Tensor  # (T, B, N): what drove the neurons; without steps where nobody asked for it


class Backward(NamedTuple):
    """What a backward run leaves."""

    x: Tensor  # (T, B, N)
    states: list[Tensor]  # (B, N) each: gradients of the initial states
    last: Tensor  # (B, N): gradient of the spikes before the first step
    coefficients: list[Tensor]


EXTENSION = Extension(
    "ranvier.kernels.recurrent._loop",
    "the compiled recurrent loop",
    mend='Install a wheel that has it, or build from source with a C++ compiler, or use executor="reference".',
)


def absence() -> str | None:
    """Say why the loop cannot be used here; None if it can."""
    return EXTENSION.absence()


# A compiled network asks once. ``torch.compiler.assume_constant_result`` does just this, after importing the compiler,
# which takes longer than all the rest of an import of torch.
absence._dynamo_marked_constant = True  # type: ignore[attr-defined] # functions may have attributes


def _loop() -> ModuleType:
    return EXTENSION.module('executor "cpu"')


def _opcodes() -> dict[str, int]:
    return {name: number for number, name in enumerate(_loop().opcodes())}


@lru_cache(maxsize=256)
def _forward_steps(program: Program) -> "Steps":
    steps: Steps = _loop().Steps.forward(*encode(program, _opcodes()))
    return steps


@lru_cache(maxsize=256)
def _replay_steps(program: Program) -> "Steps":
    states = tuple((name, value) for name, value in program.outputs if name.startswith("state."))
    return _forward_steps(prune(Program(program.inputs, program.body, states)))


@lru_cache(maxsize=256)
def _backward_steps(vjp: Program) -> "Steps":
    steps: Steps = _loop().Steps.backward(*encode(vjp, _opcodes()))
    return steps


def _give(x: Tensor) -> object:
    return to_dlpack(x.contiguous())


def _give_bits(x: Tensor) -> object:
    if not isinstance(x, PackedSpikes):
        return _give(x)
    return to_dlpack(x.codes) if x.form == "bits" else _give(x.dense())


def _all(tensors: Sequence[Tensor]) -> list[object]:
    return [_give(x) for x in tensors]


def forward(
    program: Program, x_TBN: Tensor, weight_NN: Tensor, bias_N: Tensor | None, states_BN: Sequence[Tensor],
    last_BN: Tensor, coefficients: Sequence[Coefficient], *, spikes: int, keep: bool, variant: str | None = None,
) -> Forward:  # fmt: skip
    """Run recurrent neurons over all time steps.

    Args: program: a forward program. spikes: which of its outputs is heard. keep: whether ``backward`` will want the
        currents. variant: the instruction set, for tests. All tensors are float32, or all float64, on the CPU; T >= 1.
    Raises: ExecutorError if the loop is absent.
    """
    steps = _forward_steps(program)
    outputs = [fresh(x_TBN.shape, x_TBN.dtype) for _ in range(steps.outputs)]
    states = [s.new_empty(s.shape) for s in states_BN]
    currents = fresh(x_TBN.shape if keep else (0, *x_TBN.shape[1:]), x_TBN.dtype)
    _loop().forward(
        steps, _give(x_TBN), _give(weight_NN), None if bias_N is None else _give(bias_N), _all(states_BN),
        _give(last_BN), [_give(c.values) for c in coefficients], [c.inner for c in coefficients], spikes,
        _all(outputs), _all(states), _give(currents) if keep else None, torch.get_num_threads(), variant,
    )  # fmt: skip
    return Forward(outputs, states, currents)


def backward(
    program: Program, vjp: Program, currents_TBN: Tensor, weight_NN: Tensor, states_BN: Sequence[Tensor],
    coefficients: Sequence[Coefficient], grad_outputs: Sequence[Tensor | None], grad_states: Sequence[Tensor | None],
    *, spikes: int, variant: str | None = None,
) -> Backward:  # fmt: skip
    """Carry gradients back through all time steps; those of weight and bias follow from ``Backward.x`` (``gradient``).

    Args: as ``forward``; vjp: the backward program. currents_TBN: what ``forward`` kept.
    """
    grad_x, grad_last = (fresh(shape, currents_TBN.dtype) for shape in (currents_TBN.shape, currents_TBN.shape[1:]))
    initial = [s.new_empty(s.shape) for s in states_BN]
    grad_coefficients = [c.values.new_empty(c.values.shape) for c in coefficients]
    _loop().backward(
        _replay_steps(program), _backward_steps(vjp), _give(currents_TBN), _give(weight_NN), _all(states_BN),
        [_give(c.values) for c in coefficients], [c.inner for c in coefficients], spikes,
        [None if g is None else _give(g) for g in grad_outputs], [None if g is None else _give(g) for g in grad_states],
        _give(grad_x), _all(initial), _give(grad_last), _all(grad_coefficients), torch.get_num_threads(), variant,
    )  # fmt: skip
    return Backward(grad_x, initial, grad_last, grad_coefficients)


def linear(x_RJ: Tensor, weight_MJ: Tensor, bias_M: Tensor | None, *, variant: str | None = None) -> Tensor:
    """Compute bias + x W^T, adding up over what is not zero in x: (R, J) -> (R, M).

    Args: x_RJ: contiguous ``PackedSpikes`` are read as they are, bits word by word.
    """
    out_RM = fresh((x_RJ.shape[0], weight_MJ.shape[0]), x_RJ.dtype)
    bias = None if bias_M is None else _give(bias_M)
    if isinstance(x_RJ, PackedSpikes):
        given, bits = to_dlpack(x_RJ.codes), x_RJ.form == "bits"
    else:
        given, bits = _give(x_RJ), False
    _loop().linear(given, _give(weight_MJ), bias, to_dlpack(out_RM), torch.get_num_threads(), variant, bits)
    return out_RM


def gradient(
    parts: Sequence[tuple[Tensor, Tensor]], *, bias: bool, variant: str | None = None
) -> tuple[Tensor, Tensor | None]:
    """Compute the gradients of weight and bias of a product: grad^T x, and grad, summed over the rows of all parts.

    Args: parts: inputs (R, J) and gradients of the outputs (R, M), at least one pair. Contiguous ``PackedSpikes`` of
        bits are read as they are.
    Returns: (M, J) and, if it is wanted, (M,).
    """
    x, grad = parts[0]
    out_MJ = fresh((grad.shape[1], x.shape[1]), grad.dtype)
    out_M = grad.new_empty(grad.shape[1]) if bias else None
    _loop().gradient(
        [_give_bits(x) for x, _ in parts], [_give(g) for _, g in parts], to_dlpack(out_MJ),
        None if out_M is None else to_dlpack(out_M), torch.get_num_threads(), variant,
    )  # fmt: skip
    return out_MJ, out_M
