"""The vector machine behind autograd without PyTorch's dispatcher: for calls that nobody but autograd watches.

The operators of ``ranvier.kernels.operators`` can be compiled, exported and traced, and cost 0.1 to 0.3 ms a call for
it. An eager call of plain tensors needs none of that. Both compute the same with the same machine. T time, B batch, N
neurons (all axes but time, flattened).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import once_differentiable

from ranvier.kernels.cpu import machine


def applies(current: Tensor) -> bool:
    """Tell whether a call is eager, of a plain CPU tensor, and watched by no mode, transform, tracer or profiler."""
    return (
        not torch.compiler.is_compiling()
        and type(current) in (Tensor, torch.nn.Parameter)
        and current.device.type == "cpu"
        and torch._C._len_torch_dispatch_stack() == 0
        and not torch._C._is_torch_function_mode_enabled()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
        and not torch._C._is_tracing()
        and not torch._C._autograd._profiler_enabled()
    )


@lru_cache(maxsize=256)
def constant(value: float, dtype: torch.dtype) -> Tensor:
    """Return a number as a CPU tensor without axes, to be expanded and read, never written."""
    return torch.tensor(value, dtype=dtype)


def run(
    current_TB: Tensor, states_B: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    program: str, vjp: str,
) -> Sequence[Tensor]:  # fmt: skip
    """Run a program given as text; returns the outputs of all steps (T, B, ...), then the final states (B, ...)."""
    tensors = (current_TB, *states_B, *coefficients)
    if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
        results: tuple[Tensor, ...] = _Run.apply(program, vjp, inners, len(states_B), *tensors)  # type: ignore[no-untyped-call]
        return results
    return _forward(program, inners, len(states_B), tensors)


def _forward(program: str, inners: Sequence[int], num_states: int, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    current_TB = tensors[0]
    shape, num_neurons = current_TB.shape, math.prod(current_TB.shape[1:])
    states_N = [s.reshape(num_neurons) for s in tensors[1 : 1 + num_states]]
    outputs, states = machine.forward_coded(
        machine.forward_text(program),
        current_TB.reshape(shape[0], num_neurons),
        states_N,
        tensors[1 + num_states :],
        inners,
    )
    if current_TB.ndim == 2:
        return (*outputs, *states)
    return (*(x.view(shape) for x in outputs), *(x.view(shape[1:]) for x in states))


class _Run(torch.autograd.Function):
    # Reshaping in here rather than around it keeps half a dozen nodes out of the graph.

    @staticmethod
    def forward(ctx: Any, program: str, vjp: str, inners: Sequence[int], num_states: int, *tensors: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.rest = program, vjp, inners, num_states
        return _forward(program, inners, num_states, tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        program, vjp, inners, num_states = ctx.rest
        current_TB, *others = ctx.saved_tensors
        shape, num_neurons = current_TB.shape, math.prod(current_TB.shape[1:])
        num_outputs = len(grads) - num_states
        found = machine.backward_coded(
            machine.backward_text(program, vjp), current_TB.reshape(shape[0], num_neurons),
            [s.reshape(num_neurons) for s in others[:num_states]], others[num_states:], inners,
            [None if g is None else g.reshape(shape[0], num_neurons) for g in grads[:num_outputs]],
            [None if g is None else g.reshape(num_neurons) for g in grads[num_outputs:]],
            ctx.needs_input_grad[4 : 5 + num_states],
        )  # fmt: skip
        shaped = [None if g is None else g.view(shape[min(k, 1) :]) for k, g in enumerate(found[: 1 + num_states])]
        return None, None, None, None, *shaped, *found[1 + num_states :]
