"""A batch normalisation and the neuron behind it as PyTorch operators: one node each way to ``torch.compile``.

Importing this module registers ``ranvier::batch_statistics``, ``ranvier::normed_forward`` and
``ranvier::normed_backward``: the arithmetic of ``ranvier.kernels.cpu.normed``, so a compiled network gives the bits of
an eager one. T time, N neurons, B batch, C channels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ranvier.core.program import parse
from ranvier.kernels.cpu import normed
from ranvier.kernels.cpu.normed import Norm


def run(
    current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    program: str, vjp: str, norm: Norm, inner: int,
) -> Sequence[Tensor]:  # fmt: skip
    """Do what ``normed.run`` does."""
    states_N = [s.contiguous() for s in states_N]
    found: Sequence[Tensor] = normed_forward(
        current_TN, states_N, coefficients, inners, *norm, inner, program, vjp
    )  # fmt: skip
    return found


@torch.library.custom_op("ranvier::batch_statistics", mutates_args=("running_mean", "running_variance"))
def batch_statistics(
    x_BC: Tensor, running_mean: Tensor | None, running_variance: Tensor | None, momentum: float
) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of x (B, C, ...) over all axes but C; move the running ones as torch's norm."""
    return torch.batch_norm_update_stats(x_BC, running_mean, running_variance, momentum)


@batch_statistics.register_fake
def _(x_BC: Any, running_mean: Any, running_variance: Any, momentum: float) -> tuple[Tensor, Tensor]:
    number = torch.float64 if x_BC.dtype == torch.float64 else torch.float32
    return x_BC.new_empty(x_BC.shape[1], dtype=number), x_BC.new_empty(x_BC.shape[1], dtype=number)


@torch.library.custom_op("ranvier::normed_forward", mutates_args=())
def normed_forward(
    current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    weight: Tensor, bias: Tensor, mean: Tensor, invstd: Tensor, inner: int, program: str, vjp: str,
) -> list[Tensor]:  # fmt: skip
    """Normalise and run forward; see ``run``."""
    return normed.forward(
        current_TN, states_N, coefficients, inners, program, normed.constants(weight, bias, mean, invstd, inner)
    )


@torch.library.custom_op("ranvier::normed_backward", mutates_args=())
def normed_backward(
    grads: Sequence[Tensor | None], current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Tensor],
    inners: Sequence[int], weight: Tensor, bias: Tensor, mean: Tensor, invstd: Tensor, inner: int,
    program: str, vjp: str,
) -> list[Tensor]:  # fmt: skip
    """Return the gradients of weight, bias, current, states and coefficients."""
    found = normed.backward(
        [None if g is None else g.contiguous() for g in grads], current_TN, states_N, coefficients, inners,
        (program, vjp), normed.constants(weight, bias, mean, invstd, inner), invstd, [True] * (1 + len(states_N)),
    )  # fmt: skip
    return [g for g in found if g is not None]


@normed_forward.register_fake
def _(
    current_TN: Any, states_N: Any, coefficients: Any, inners: Any, weight: Any, bias: Any, mean: Any, invstd: Any,
    inner: int, program: str, vjp: str,
) -> list[Tensor]:  # fmt: skip
    count = sum(name.startswith("out.") for name, _ in parse(program).outputs)
    return [torch.empty_like(x) for x in (*[current_TN] * count, *states_N)]


@normed_backward.register_fake
def _(
    grads: Any, current_TN: Any, states_N: Any, coefficients: Any, inners: Any, weight: Any, bias: Any, mean: Any,
    invstd: Any, inner: int, program: str, vjp: str,
) -> list[Tensor]:  # fmt: skip
    return [torch.empty_like(x) for x in (weight, bias, current_TN, *states_N, *coefficients)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    current_TN, states_N, coefficients, inners, weight, bias, mean, invstd, *texts = inputs
    ctx.set_materialize_grads(False)
    ctx.rest = inners, texts, len(states_N), len(coefficients)
    ctx.save_for_backward(current_TN, weight, bias, mean, invstd, *states_N, *coefficients)


def _differentiate(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    inners, texts, num_states, num_coefficients = ctx.rest
    current_TN, *others = ctx.saved_tensors
    norm, states_N, coefficients = others[:4], others[4 : 4 + num_states], others[4 + num_states :]
    weight, bias, d_current, *rest = normed_backward(grads, current_TN, states_N, coefficients, inners, *norm, *texts)
    # torch takes an empty list of numbers for a list of tensors, and wants a list back.
    no_inners: list[None] | None = None if num_coefficients else []
    return d_current, rest[:num_states], rest[num_states:], no_inners, weight, bias, None, None, None, None, None


normed_forward.register_autograd(_differentiate, setup_context=_keep)
