"""A batch normalisation and the neuron behind it in one pass over memory, behind autograd. T time, B batch, C channels.

A norm in training reads its input twice for the statistics, reads it again and writes the result, which the neuron
reads; going back it reads input and gradient, for two sums a channel, and both again. Here the neuron's kernel
normalises what it reads, and adds the two sums up while it makes the gradient: a result is neither written nor kept,
and a pass is saved each way.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ranvier.kernels.cpu import machine


class Norm(NamedTuple):
    """What a batch normalisation does to currents (T, B, C, ...), with the statistics of these currents.

    y = (x - mean) * invstd * weight + bias. mean and invstd carry no graph: gradients through them are known.
    """

    weight: Tensor  # (C,)
    bias: Tensor  # (C,)
    mean: Tensor  # (C,) over all axes but C
    invstd: Tensor  # (C,) 1 / sqrt(variance + eps), with the variance of the population


def run(
    current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    program: str, vjp: str, norm: Norm, inner: int,
) -> Sequence[Tensor]:  # fmt: skip
    """Normalise, then run a program given as text; neuron n is of channel (n // inner) % C.

    Returns: outputs (T, N), then the final states (N,).
    """
    texts = program, vjp, inners, inner, norm.mean, norm.invstd, len(states_N)
    found: Sequence[Tensor] = _Run.apply(texts, norm.weight, norm.bias, current_TN, *states_N, *coefficients)  # type: ignore[no-untyped-call]
    return found


def constants(weight: Tensor, bias: Tensor, mean: Tensor, invstd: Tensor, inner: int) -> machine.Normal:
    """Return what the machine needs of a norm."""
    scale = weight * invstd
    return scale, bias - mean * scale, mean, inner


def forward(
    current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    program: str, normal: machine.Normal,
) -> list[Tensor]:  # fmt: skip
    """Return the outputs, then the final states."""
    found = machine.forward_coded(
        machine.forward_text(program), current_TN, states_N, coefficients, inners, normal=normal
    )  # fmt: skip
    return [*found.outputs, *found.states]


def backward(
    grads: Sequence[Tensor | None], current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor],
    inners: Sequence[int], texts: tuple[str, str], normal: machine.Normal, invstd: Tensor, wanted: Sequence[bool],
) -> list[Tensor | None]:  # fmt: skip
    """Return the gradients of weight, bias, current, states and coefficients."""
    num_outputs = len(grads) - len(states_N)
    *found, total, product = machine.backward_coded(
        machine.backward_text(*texts), current_TN, states_N, coefficients, inners, grads[:num_outputs],
        grads[num_outputs:], [True, *wanted[1:]], normal=normal,
    )  # fmt: skip
    assert total is not None
    assert product is not None
    # The statistics depend on every number of the channel: the mean gradient, and its part along x, drop out.
    scale, _, mean, inner = normal
    share = scale * (-len(scale) / current_TN.numel())
    if wanted[0]:
        assert found[0] is not None
        machine.spread(current_TN, found[0], (scale, share * total, mean, inner), share * invstd.square() * product)
    return [product * invstd, total, *found]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rest: Any, weight: Tensor, bias: Tensor, current_TN: Tensor, *others: Tensor) -> Any:
        program, _, inners, inner, mean, invstd, num_states = rest
        normal = constants(weight, bias, mean, invstd, inner)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(current_TN, *others, *normal[:3], invstd)
        ctx.rest = rest
        return tuple(forward(current_TN, others[:num_states], others[num_states:], inners, program, normal))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        program, vjp, inners, inner, _, _, num_states = ctx.rest
        current_TN, *others, scale, shift, mean, invstd = ctx.saved_tensors
        found = backward(
            grads, current_TN, others[:num_states], others[num_states:], inners, (program, vjp),
            (scale, shift, mean, inner), invstd, ctx.needs_input_grad[3 : 4 + num_states],
        )  # fmt: skip
        return None, *found
