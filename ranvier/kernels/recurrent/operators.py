"""The recurrent loop and the event product as PyTorch operators: one node in a compiled or exported graph.

Importing this module registers ``ranvier::recurrent``, ``ranvier::recurrent_backward``, ``ranvier::event_linear`` and
``ranvier::event_linear_backward``. Programs travel as text.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ranvier.core.program import parse
from ranvier.kernels.recurrent import loop
from ranvier.kernels.twin import Coefficient

_parse = lru_cache(maxsize=4096)(parse)


def _coefficients(values: Sequence[Tensor], inners: Sequence[int]) -> list[Coefficient]:
    return [Coefficient(v, n) for v, n in zip(values, inners, strict=True)]


@torch.library.custom_op("ranvier::recurrent", mutates_args=())
def recurrent(
    x: Tensor, weight: Tensor, bias: Tensor | None, last: Tensor, states: Sequence[Tensor],
    coefficients: Sequence[Tensor], inners: Sequence[int], program: str, vjp: str, spikes: int, keep: bool,
) -> list[Tensor]:  # fmt: skip
    """Run recurrent neurons over (T, B, N); returns the outputs of all steps, the final states, and the currents."""
    result = loop.forward(
        _parse(program), x, weight, bias, states, last, _coefficients(coefficients, inners), spikes=spikes, keep=keep
    )
    return [*result.outputs, *result.states, result.currents]


@torch.library.custom_op("ranvier::recurrent_backward", mutates_args=())
def recurrent_backward(
    grads: Sequence[Tensor | None], currents: Tensor, heard: Tensor, weight: Tensor, bias: Tensor | None, last: Tensor,
    states: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int], program: str, vjp: str,
    spikes: int,
) -> list[Tensor]:  # fmt: skip
    """Carry gradients back: returns those of x, weight, bias (if any), last, the initial states, the coefficients."""
    num_outputs = len(grads) - len(states)
    result = loop.backward(
        _parse(program), _parse(vjp), currents, weight, states, _coefficients(coefficients, inners),
        grads[:num_outputs], grads[num_outputs:], spikes=spikes,
    )  # fmt: skip
    # What was heard at a step are the spikes of the one before.
    parts = [(last, result.x[0]), (heard[:-1].flatten(0, 1), result.x[1:].flatten(0, 1))]
    d_weight, d_bias = loop.gradient(parts, bias=bias is not None)
    biases = [] if d_bias is None else [d_bias]
    return [result.x, d_weight, *biases, result.last, *result.states, *result.coefficients]


@recurrent.register_fake
def _(
    x: Any, weight: Any, bias: Any, last: Any, states: Any, coefficients: Any, inners: Any, program: str, vjp: str,
    spikes: int, keep: bool,
) -> list[Tensor]:  # fmt: skip
    num_outputs = sum(name.startswith("out.") for name, _ in parse(program).outputs)
    currents = x.new_empty(x.shape if keep else (0, *x.shape[1:]))
    return [*(x.new_empty(x.shape) for _ in range(num_outputs)), *(s.new_empty(s.shape) for s in states), currents]


@recurrent_backward.register_fake
def _(
    grads: Any, currents: Any, heard: Any, weight: Any, bias: Any, last: Any, states: Any, coefficients: Any,
    inners: Any, program: str, vjp: str, spikes: int,
) -> list[Tensor]:  # fmt: skip
    biases = [] if bias is None else [bias]
    return [v.new_empty(v.shape) for v in (currents, weight, *biases, last, *states, *coefficients)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    _, weight, bias, last, states, coefficients, *ctx.rest, _ = inputs  # rest: inners, program, vjp, spikes
    ctx.set_materialize_grads(False)
    ctx.num_states = len(states)
    ctx.save_for_backward(output[-1], output[ctx.rest[-1]], weight, bias, last, *states, *coefficients)


def _differentiate(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    currents, heard, weight, bias, last, *others = ctx.saved_tensors
    n = ctx.num_states
    states, coefficients = others[:n], others[n:]
    d_x, d_weight, *found = recurrent_backward(
        grads[:-1], currents, heard, weight, bias, last, states, coefficients, *ctx.rest
    )
    d_bias = None if bias is None else found.pop(0)
    d_last, *found = found
    # torch takes an empty list of numbers for a list of tensors, and wants a list back.
    no_inners: list[None] | None = None if coefficients else []
    return d_x, d_weight, d_bias, d_last, found[:n], found[n:], no_inners, None, None, None, None


recurrent.register_autograd(_differentiate, setup_context=_keep)


@torch.library.custom_op("ranvier::event_linear", mutates_args=())
def event_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply (R, J) by a weight (M, J), adding up over what is not zero."""
    return loop.linear(x, weight, bias)


@torch.library.custom_op("ranvier::event_linear_backward", mutates_args=())
def event_linear_backward(grad: Tensor, x: Tensor, has_bias: bool) -> list[Tensor]:
    """Compute the gradients of weight and bias (if any)."""
    d_weight, d_bias = loop.gradient([(x, grad)], bias=has_bias)
    return [d_weight] if d_bias is None else [d_weight, d_bias]


@event_linear.register_fake
def _(x: Any, weight: Any, bias: Any) -> Any:
    return x.new_empty(x.shape[0], weight.shape[0])


@event_linear_backward.register_fake
def _(grad: Any, x: Any, has_bias: bool) -> list[Tensor]:
    weight = grad.new_empty(grad.shape[1], x.shape[1])
    return [weight, grad.new_empty(grad.shape[1])] if has_bias else [weight]


def _keep_linear(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, bias = inputs
    ctx.has_bias = bias is not None
    ctx.save_for_backward(x, weight)


def _differentiate_linear(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    x, weight = ctx.saved_tensors
    d_x = grad @ weight if ctx.needs_input_grad[0] else None
    if not any(ctx.needs_input_grad[1:]):
        return d_x, None, None
    d_weight, *biases = event_linear_backward(grad, x, ctx.has_bias)
    return d_x, d_weight, biases[0] if biases else None


event_linear.register_autograd(_differentiate_linear, setup_context=_keep_linear)
