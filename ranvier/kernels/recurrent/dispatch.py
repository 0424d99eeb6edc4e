"""The front door of recurrent neurons: run them over a sequence on whatever fits. T time, B batch, N neurons."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ranvier.core.errors import DtypeError, ExecutorError, TraceError
from ranvier.kernels.dispatch import Executor, Explanation, Run, _bind, _flatten, _rest
from ranvier.kernels.dispatch import explain as explain_step
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.plan import Plan, Programs
from ranvier.kernels.recurrent import loop, operators, reference


def run(
    plan: Plan, x_TBN: Tensor, weight_NN: Tensor, bias_N: Tensor | None, state: Any, last_BN: Tensor, *,
    params: Mapping[str, Tensor], executor: Executor = "auto",
) -> Run:  # fmt: skip
    """Run neurons that hear each other's spikes one step later: I[t] = x[t] + (W s[t-1] + b).

    On the CPU a compiled loop adds up, in ascending order, the weights from the neurons that fired; it agrees with the
    plain loop to the last bit wherever sums of weights are exact, else to rounding, which may move a spike.

    Args: plan: of the neurons, with "spikes" among its outputs. x_TBN: (T, B, ..., N), T >= 1. weight_NN: (N, N), out
        first. bias_N: (N,) or None. state: a State of (B, ..., N) tensors, None for rest. last_BN: (B, ..., N), the
        spikes before the first step. params, executor: as ``ranvier.kernels.run``.
    Returns: the outputs of every step and the final state. Inputs of 16 bits are computed in float32; their outputs
        have the input's type, their state stays in float32.
    Raises: DtypeError, ExecutorError, and what ``ranvier.kernels.run`` raises.
    """
    dtype = torch.float64 if x_TBN.dtype == torch.float64 else torch.float32
    if (weight_NN.dtype == torch.float64) != (dtype == torch.float64):
        where = f"recurrent run of {type(plan.neuron).__name__}"
        mend = f"Convert the input by .to({weight_NN.dtype}), or the network."
        expected = f"an input of {weight_NN.dtype}, as its weights"
        raise DtypeError(where, expected=expected, got=str(x_TBN.dtype), mend=mend)
    x, weight, last = x_TBN.to(dtype), weight_NN.to(dtype), last_BN.to(dtype)
    bias = None if bias_N is None else bias_N.to(dtype)
    reason = _obstacle(plan, x, executor)
    if reason is None:
        outputs, state = _run_loop(plan, x, weight, bias, state, last, params)
    else:
        if executor == "cpu":
            raise ExecutorError('executor="cpu"', expected="the compiled recurrent loop", got=reason)
        if executor == "auto" and x.device.type == "cpu":
            words = "The slow executor in plain torch runs these recurrent neurons. cpu cannot run:"
            warnings.warn(f"{words} {reason}", RuntimeWarning, stacklevel=3)
        outputs, state = reference.run(plan, x, weight, bias, state, last, params=params, executor=executor)
    return Run({name: value.to(x_TBN.dtype) for name, value in outputs.items()}, state)


def explain(plan: Plan, x_TBN: Tensor, *, executor: Executor = "auto") -> Explanation:
    """Say which executor ``run`` takes, and why."""
    reason = _obstacle(plan, x_TBN, executor)
    if reason is not None:
        step = explain_step(plan, x_TBN, executor=executor)
        why = f"a loop in plain torch, because {reason}; each step: {step.reason}"
        return Explanation(step.executor, why, step.forward_instructions, step.backward_instructions)
    assert isinstance(plan.programs, Programs)
    lengths = len(plan.programs.forward.body), len(plan.programs.backward.body)
    how = "one compiled loop over time adds up the weights from the neurons that fired"
    return Explanation("cpu", how if executor == "auto" else f"it was asked for; {how}", *lengths)


def _obstacle(plan: Plan, x_TBN: Tensor, executor: Executor) -> str | None:
    """Say why the compiled loop cannot run; None if it can."""
    if executor in ("reference", "gpu", "scan"):
        return f'executor="{executor}" was asked for'
    if x_TBN.device.type != "cpu":
        return f"the input is on {x_TBN.device.type}"
    if isinstance(plan.programs, TraceError):
        return f"the step cannot be traced: {plan.programs}"
    absence: str | None = loop.absence()
    return absence


def _run_loop(
    plan: Plan, x_TBN: Tensor, weight_NN: Tensor, bias_N: Tensor | None, state: Any, last_BN: Tensor,
    params: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], Any]:  # fmt: skip
    programs = plan.programs
    assert isinstance(programs, Programs)
    shape, name = x_TBN.shape[1:], type(plan.neuron).__name__
    neuron, values = _bind(plan, params, x_TBN.dtype, f"recurrent run of {name}")
    if state is None:
        state = _rest(neuron, shape, x_TBN.dtype, x_TBN.device)
    flat, inners = [], []
    if values:
        found = evaluate(programs.prologue, {f"param.{key}": value for key, value in values.items()})
        for key, _ in programs.prologue.outputs:
            value, inner = _flatten(found[key], shape, name)
            flat.append(value)
            inners.append(inner)
    N = shape[-1]
    results = operators.recurrent(
        x_TBN.reshape(x_TBN.shape[0], -1, N) if x_TBN.numel() else x_TBN.reshape(x_TBN.shape[0], 0, N), weight_NN,
        bias_N, last_BN.reshape(-1, N), [s.to(x_TBN.dtype).reshape(-1, N) for s in state], flat, inners,
        plan.forward_text, plan.backward_text, plan.outputs.index("spikes"), torch.is_grad_enabled(),
    )  # fmt: skip
    count = len(plan.outputs)
    outputs = {key: r.reshape(x_TBN.shape) for key, r in zip(plan.outputs, results[:count], strict=True)}
    return outputs, plan.neuron.State(*(r.reshape(shape) for r in results[count:-1]))
