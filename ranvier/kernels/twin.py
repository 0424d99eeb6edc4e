"""Run the programs of a step over time in plain torch: the plain twin that the C++ and GPU executors are judged by.

Every executor offers these two functions with this meaning. Axes: T time, N neurons (all other axes, flattened).

A current of 16 bits is computed in float32: outputs and the gradients of current and outputs have the current's type,
states and coefficients are float32.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.program import Program
from ranvier.kernels.evaluate import evaluate


class Coefficient(NamedTuple):
    """A value computed from parameters, read by every step: neuron n reads ``values[(n // inner) % len(values)]``.

    One value for all: len(values) = 1. One a channel of (B, C, H, W): inner = H * W.
    """

    values: Tensor  # (K,) contiguous
    inner: int


class Forward(NamedTuple):
    """What a forward run leaves."""

    outputs: list[Tensor]  # (T, N) each, in the order of the program's out.*
    states: list[Tensor]  # (N,) each, after the last step


class Backward(NamedTuple):
    """What a backward run leaves."""

    current: Tensor  # (T, N)
    states: list[Tensor]  # (N,) each: gradients of the initial states
    coefficients: list[Tensor]  # (K,) each, summed over time and over the neurons that share a value


def forward(
    program: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient]
) -> Forward:
    """Run a forward program over all time steps."""
    short, current_TN = current_TN.dtype, _computed(current_TN)
    fixed = {f"coef.{k}": _spread(c, current_TN.shape[1]) for k, c in enumerate(coefficients)}
    names = [name for name in program.inputs if name.startswith("state.")]
    outs = [name for name, _ in program.outputs if name.startswith("out.")]
    states, rows = list(states_N), [[] for _ in outs]  # type: tuple[list[Tensor], list[list[Tensor]]]
    for current_N in current_TN:
        result = evaluate(program, {**dict(zip(names, states, strict=True)), "current": current_N, **fixed})
        states = [result[name].expand_as(current_N) for name in names]
        for row, name in zip(rows, outs, strict=True):
            row.append(result[name].expand_as(current_N))
    outputs = [torch.stack(row) if row else torch.empty_like(current_TN) for row in rows]
    return Forward([x.to(short) for x in outputs], [s.clone() for s in states])


def backward(
    program: Program, vjp: Program, current_TN: Tensor, states_N: Sequence[Tensor], coefficients: Sequence[Coefficient],
    grad_outputs_TN: Sequence[Tensor | None], grad_states_N: Sequence[Tensor | None],
) -> Backward:  # fmt: skip
    """Run the forward program again, keeping the states, then the backward program from the last step to the first.

    Args: program, vjp: forward and backward program of a step. grad_outputs_TN: a gradient for each output, None for
        zero. grad_states_N: the same for the final states.
    """
    T, N = current_TN.shape
    short, current_TN = current_TN.dtype, _computed(current_TN)
    grad_outputs_TN = [None if g is None else _computed(g) for g in grad_outputs_TN]
    fixed = {f"coef.{k}": _spread(c, N) for k, c in enumerate(coefficients)}
    names = [name for name in program.inputs if name.startswith("state.")]
    outs = [name for name, _ in program.outputs if name.startswith("out.")]
    history = [list(states_N)]
    for current_N in current_TN[:-1]:
        result = evaluate(program, {**dict(zip(names, history[-1], strict=True)), "current": current_N, **fixed})
        history.append([result[name].expand_as(current_N) for name in names])
    zero_N = current_TN.new_zeros(N)
    grads = [zero_N if g is None else g for g in grad_states_N]
    grad_current_TN = torch.empty_like(current_TN)
    sums = [zero_N.clone() for _ in coefficients]
    for t in reversed(range(T)):
        inputs = dict(zip(names, history[t], strict=True)) | {"current": current_TN[t]} | fixed
        inputs |= {f"grad.{name}": g for name, g in zip(names, grads, strict=True)}
        inputs |= {f"grad.{name}": zero_N if g is None else g[t] for name, g in zip(outs, grad_outputs_TN, strict=True)}
        result = evaluate(vjp, inputs)
        grads = [result[f"grad_{name}"].expand(N) for name in names]
        grad_current_TN[t] = result["grad_current"]
        sums = [s + result[f"grad_coef.{k}"] for k, s in enumerate(sums)]
    totals = [_gather(s, c) for s, c in zip(sums, coefficients, strict=True)]
    return Backward(grad_current_TN.to(short), [g.clone() for g in grads], totals)


def _computed(x_TN: Tensor) -> Tensor:
    return x_TN.to(torch.promote_types(x_TN.dtype, torch.float32))


def _index(coefficient: Coefficient, num_neurons: int) -> Tensor:
    n = torch.arange(num_neurons, device=coefficient.values.device)
    return (n // coefficient.inner) % len(coefficient.values)


def _spread(coefficient: Coefficient, num_neurons: int) -> Tensor:
    return coefficient.values[_index(coefficient, num_neurons)]


def _gather(sums_N: Tensor, coefficient: Coefficient) -> Tensor:
    """Add up what the neurons that share a value have gathered."""
    total = torch.zeros_like(coefficient.values)
    return total.index_add_(0, _index(coefficient, len(sums_N)), sums_N)
