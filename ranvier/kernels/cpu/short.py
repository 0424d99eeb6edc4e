"""The commonest call in the fewest steps: from rest, parameters fixed, eager. T time, B batch, N neurons.

A call of a few thousand neuron-steps takes less time in the machine than PyTorch takes to look at it. So all that
depends on the program, and on shape, strides and type of the current alone, is worked out once and kept; permuting and
reshaping happen inside one autograd function, which saves the current and nothing else.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ranvier.kernels.cpu import machine

if TYPE_CHECKING:
    from ranvier.kernels.cpu._machine import Code


class Way(NamedTuple):
    """How currents of one shape, stride and type run through one program."""

    program: str
    vjp: str
    code: "Code"
    axes: list[int] | None  # the order in which the current's axes lie in memory, if not their own
    back: list[int]
    back_state: list[int]
    shape: tuple[int, ...]  # of the current in that order
    sizes: tuple[int, int]  # T, N
    rest_N: list[Tensor]  # states at rest, each one number for all


@lru_cache(maxsize=512)
def way(
    program: str, vjp: str, rest: tuple[float, ...], dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...]
) -> Way:
    """Work out how to run currents of a type, shape and stride from rest."""
    axes = memory_order(torch.empty_strided(shape, stride, dtype=dtype, device="meta"))
    order = None if axes == sorted(axes) else axes
    inside = [axis - 1 for axis in axes[1:]]
    number = torch.float64 if dtype == torch.float64 else torch.float32
    sizes = shape[0], math.prod(shape[1:])
    return Way(
        program, vjp, machine.forward_text(program), order, inverse(axes), inverse(inside),
        tuple(shape[axis] for axis in axes), sizes, [torch.tensor(v, dtype=number).expand(sizes[1]) for v in rest],
    )  # fmt: skip


def run(found: Way, current_TB: Tensor) -> Sequence[Tensor]:
    """Run currents from rest; returns the outputs of all steps (T, B, ...), then the final states (B, ...)."""
    if current_TB.requires_grad and torch.is_grad_enabled():
        results: tuple[Tensor, ...] = _Run.apply(current_TB, found)  # type: ignore[no-untyped-call]
        return results
    return _forward(found, current_TB)


def _forward(found: Way, current_TB: Tensor) -> tuple[Tensor, ...]:
    outputs, states = machine.forward_coded(found.code, _flat(found, current_TB), found.rest_N, (), ())
    if len(found.shape) == 2:
        return *outputs, *states
    outputs = [x.view(found.shape) for x in outputs]
    states = [x.view(found.shape[1:]) for x in states]
    if found.axes is not None:
        outputs = [x.permute(found.back) for x in outputs]
        states = [x.permute(found.back_state) for x in states]
    return *outputs, *states


def _flat(found: Way, x_TB: Tensor) -> Tensor:
    if len(found.shape) == 2:
        return x_TB
    return (x_TB if found.axes is None else x_TB.permute(found.axes)).reshape(found.sizes)


def _flat_state(found: Way, x_B: Tensor) -> Tensor:
    if found.axes is not None:
        x_B = x_B.permute([axis - 1 for axis in found.axes[1:]])
    return x_B.reshape(found.sizes[1])


def _backward(ctx: Any, *grads: Tensor | None) -> Any:
    found: Way = ctx.way
    num_outputs = len(grads) - len(found.rest_N)
    gradient = machine.backward_coded(
        machine.backward_text(found.program, found.vjp), _flat(found, ctx.saved_tensors[0]), found.rest_N, (), (),
        [None if g is None else _flat(found, g) for g in grads[:num_outputs]],
        [None if g is None else _flat_state(found, g) for g in grads[num_outputs:]],
        (True, *(False for _ in found.rest_N)),
    )[0]  # fmt: skip
    assert gradient is not None
    if len(found.shape) != 2:
        gradient = gradient.view(found.shape)
    return gradient if found.axes is None else gradient.permute(found.back), None


_backward_once = once_differentiable(_backward)


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current_TB: Tensor, found: Way) -> Any:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(current_TB)
        ctx.way = found
        return _forward(found, current_TB)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        # Refusing second derivatives takes a tenth of the call: only where a graph of the gradient is asked for.
        return _backward_once(ctx, *grads) if torch.is_grad_enabled() else _backward(ctx, *grads)


def memory_order(x_TB: Tensor) -> list[int]:
    """Return the axes of a sequence as they lie in memory, time first; their own order if they lie with gaps.

    A neuron's step looks at one number at a time, so kernels take a convolution's channels-last result as it lies.
    """
    if x_TB.is_contiguous():
        return list(range(x_TB.ndim))
    axes = [0, *sorted(range(1, x_TB.ndim), key=lambda axis: -x_TB.stride()[axis])]
    return axes if x_TB.permute(axes).is_contiguous() else list(range(x_TB.ndim))


def inverse(axes: list[int]) -> list[int]:
    """Return the order of axes that undoes another."""
    return sorted(range(len(axes)), key=axes.__getitem__)
