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
) -> tuple[Tensor, ...]:  # fmt: skip
    """Normalise, then run a program given as text; neuron n is of channel (n // inner) % C.

    Returns: outputs (T, N), then the final states (N,).
    """
    texts = program, vjp, inners, inner, norm.mean, norm.invstd, len(states_N)
    found: tuple[Tensor, ...] = _Run.apply(texts, norm.weight, norm.bias, current_TN, *states_N, *coefficients)  # type: ignore[no-untyped-call]
    return found


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rest: Any, weight: Tensor, bias: Tensor, current_TN: Tensor, *others: Tensor) -> Any:
        program, _, inners, inner, mean, invstd, num_states = rest
        scale = weight * invstd
        normal = scale, bias - mean * scale, mean, inner
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(current_TN, *others, *normal[:3], invstd)
        ctx.rest = rest
        code = machine.forward_text(program)
        found = machine.forward_coded(
            code, current_TN, others[:num_states], others[num_states:], inners, normal=normal
        )  # fmt: skip
        return *found.outputs, *found.states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        program, vjp, inners, inner, _, _, num_states = ctx.rest
        current_TN, *others, scale, shift, mean, invstd = ctx.saved_tensors
        num_outputs = len(grads) - num_states
        wanted = [True, *ctx.needs_input_grad[4 : 4 + num_states]]
        *found, total, product = machine.backward_coded(
            machine.backward_text(program, vjp), current_TN, others[:num_states], others[num_states:], inners,
            grads[:num_outputs], grads[num_outputs:], wanted, normal=(scale, shift, mean, inner),
        )  # fmt: skip
        # The statistics depend on every number of the channel: the mean gradient, and its part along x, drop out.
        share = scale * (-len(scale) / current_TN.numel())
        if ctx.needs_input_grad[3]:
            assert found[0] is not None
            machine.spread(
                current_TN, found[0], (scale, share * total, mean, inner), share * invstd.square() * product
            )  # fmt: skip
        return None, product * invstd, total, *found
