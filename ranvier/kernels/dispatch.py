"""The front door of the kernels: run a neuron over a sequence, on whatever executor fits."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ranvier.core.errors import DtypeError, ExecutorError, ShapeError, StateError, TraceError, UnknownNameError
from ranvier.core.neuron import Neuron
from ranvier.core.params import bind, parameters
from ranvier.kernels import gpu, operators, reference
from ranvier.kernels.cpu import direct, normed, normed_operators, short
from ranvier.kernels.cpu.normed import Norm
from ranvier.kernels.cpu.short import inverse, memory_order
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.plan import Plan, Programs
from ranvier.kernels.scan.run import checked_matrices, matrices
from ranvier.kernels.scan.run import run as run_scan

Executor = Literal["auto", "reference", "cpu", "gpu", "scan"]


class Run(NamedTuple):
    """What running a neuron over a sequence gives."""

    outputs: dict[str, Tensor]  # (T, B, ...) each
    state: Any  # the neuron's State after the last step, (B, ...) each


def run(
    plan: Plan, current_TB: Tensor, state: Any = None, *, params: Mapping[str, Tensor] | None = None,
    executor: Executor = "auto", norm: Norm | None = None,
) -> Run:  # fmt: skip
    """Run a neuron over a sequence.

    Args:
        plan: of the neuron. current_TB: (T, B, ...), floating. state: a State of (B, ...) tensors; None is rest.
        params: live values of the parameters that are tensors in the plan's neuron; gradients flow to them.
        executor: "auto" lets device and installation decide; the others force one, for tests and comparisons. "scan"
            runs a step that is affine in its state (no reset) over all time steps at once (on a GPU: over segments of
            time side by side), equal to rounding; auto never takes it, because a spike may move.
        norm: done to the current (T, B, C, ...) on its way in, where ``can_normalise`` says so.
    Returns: the outputs that the plan names and the final state. Inputs of 16 bits are computed in float32; their
        outputs have the input's type, their state stays in float32.
    Raises: DtypeError, ShapeError, StateError, UnknownNameError, ExecutorError.
    """
    if state is None and norm is None and plan.rest is not None and executor == "auto" and _is_plain(current_TB):
        way = short.way(
            plan.forward_text, plan.backward_text, plan.rest, current_TB.dtype, current_TB.shape, current_TB.stride()
        )  # fmt: skip
        if params:
            _bind(plan, params, way.rest_N[0].dtype, f"run of {type(plan.neuron).__name__}")
        results = short.run(way, current_TB)
        count = len(plan.outputs)
        return Run(dict(zip(plan.outputs, results, strict=False)), plan.neuron.State(*results[count:]))
    where = f"run of {type(plan.neuron).__name__}"
    if not current_TB.is_floating_point():
        raise DtypeError(where, expected="a floating input", got=str(current_TB.dtype), mend="Convert it by .float().")
    if current_TB.ndim < 1:
        raise ShapeError(where, expected="an input (T, ...)", got="a tensor without axes")
    dtype = torch.float64 if current_TB.dtype == torch.float64 else torch.float32
    neuron, values = _bind(plan, params or {}, dtype, where)
    programs = _programs(plan, executor)
    is_direct = programs is not None and operators.is_direct(current_TB, executor)
    if state is not None:
        _check_state(plan, state, current_TB, where)
        state = type(state)(*(s.to(dtype) for s in state))
    elif is_direct:
        state = _direct_rest(neuron, current_TB.shape[1:], dtype)
    else:
        state = _rest(neuron, current_TB.shape[1:], dtype, current_TB.device)
    if executor == "scan" and not _scans_on_gpu(plan, current_TB):
        outputs, state = run_scan(plan.neuron, neuron, current_TB.to(dtype), state, dt=plan.dt, outputs=plan.outputs)
    elif programs is None:
        outputs, state = reference.run(neuron, current_TB.to(dtype), state, dt=plan.dt, outputs=plan.outputs)
    else:
        outputs, state = _run_programs(
            plan, programs, current_TB, state, values, executor, is_direct=is_direct, norm=norm
        )
    return Run({name: value.to(current_TB.dtype) for name, value in outputs.items()}, state)


def _scans_on_gpu(plan: Plan, current_TB: Tensor) -> bool:
    """Tell whether printed kernels scan, instead of torch's operators; refuse a step that cannot be scanned."""
    checked_matrices(plan.neuron, plan.dt)
    return current_TB.is_cuda and (torch.compiler.is_compiling() or gpu.absence() is None)


def _is_plain(current_TB: Tensor) -> bool:
    """Tell whether the shortest way serves a current: there is something to do, and nobody looks on."""
    return current_TB.is_floating_point() and current_TB.ndim > 0 and operators.is_direct(current_TB, "auto")


def can_normalise(plan: Plan, current_TB: Tensor, executor: Executor) -> bool:
    """Tell whether ``run`` can do the normalisation before the neuron: on the C++ machine, eager or compiled."""
    if isinstance(plan.programs, TraceError):
        return False
    if torch.compiler.is_compiling():
        return executor in ("auto", "cpu") and current_TB.device.type == "cpu" and plan.has_machine
    return operators.is_direct(current_TB, executor)


def rest(neuron: Neuron, like_B: Tensor) -> Any:
    """Make the state of a neuron at rest.

    Args: like_B: any floating tensor (B, ...) whose shape and device the state takes.
    Returns: a State of tensors, float64 for a float64 tensor, else float32.
    """
    dtype = torch.float64 if like_B.dtype == torch.float64 else torch.float32
    return _rest(neuron, like_B.shape, dtype, like_B.device)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which executor runs a plan on an input, and why."""

    executor: str
    reason: str
    forward_instructions: int  # a step and neuron
    backward_instructions: int

    def __str__(self) -> str:
        work = f"{self.forward_instructions} instructions forward, {self.backward_instructions} backward"
        return f"{self.executor}: {self.reason}" + (f" ({work})" if self.forward_instructions else "")


def explain(plan: Plan, current_TB: Tensor, *, executor: Executor = "auto") -> Explanation:
    """Say which executor ``run`` takes for this plan and input, and why."""
    if isinstance(plan.programs, TraceError):
        return Explanation("reference", f"the step cannot be traced: {plan.programs}", 0, 0)
    lengths = len(plan.programs.forward.body), len(plan.programs.backward.body)
    if executor == "scan":
        found = matrices(plan.neuron, plan.dt)
        cannot = f"it cannot run: {found}" if isinstance(found, str) else "it was asked for, and the step is affine"
        return Explanation("scan", cannot, *lengths)
    if executor == "reference":
        return Explanation("reference", "it was asked for", *lengths)
    name, _, reason = operators.choose(current_TB.device.type, executor)
    return Explanation(name, reason, *lengths)


def _programs(plan: Plan, executor: Executor) -> Programs | None:
    """Return the programs to run, or None where the reference has to do it."""
    if executor == "reference":
        return None
    if isinstance(plan.programs, TraceError):
        if executor != "auto":
            raise ExecutorError(f'executor="{executor}"', expected="a step that can be traced", got=str(plan.programs))
        warnings.warn(f"The slow reference executor runs this neuron. {plan.programs}", RuntimeWarning, stacklevel=3)
        return None
    return plan.programs


def _bind(plan: Plan, params: Mapping[str, Tensor], dtype: torch.dtype, where: str) -> tuple[Neuron, dict[str, Tensor]]:
    for name in params:
        if name not in plan.learned:
            raise UnknownNameError.among(where, name, plan.learned, kind="tensor parameter of the plan")
    if not plan.learned:
        return plan.neuron, {}
    own = parameters(plan.neuron)
    values = {name: params.get(name, own[name]).to(dtype) for name in plan.learned}  # type: ignore[union-attr]
    return bind(plan.neuron, values), values


def _rest(neuron: Neuron, shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Any:
    state = neuron.rest()
    tensors = [torch.as_tensor(value, dtype=dtype, device=device) for value in state]
    return type(state)(*(t.expand(shape) for t in tensors))


def _direct_rest(neuron: Neuron, shape: torch.Size, dtype: torch.dtype) -> list[Tensor]:
    rest = [s.to(dtype) if isinstance(s, Tensor) else direct.constant(float(s), dtype) for s in neuron.rest()]
    return [s.expand(shape) for s in rest]


def _check_state(plan: Plan, state: Any, current_TB: Tensor, where: str) -> None:
    if type(state) is not plan.neuron.State:
        expected = f"a {type(plan.neuron).__name__}.State"
        raise StateError(where, expected=expected, got=f"a {type(state).__name__}", mend="None starts from rest.")
    for name, value in zip(plan.fields, state, strict=True):
        if value.shape != current_TB.shape[1:]:
            expected = f"state.{name} of shape {tuple(current_TB.shape[1:])}, as the input without time"
            raise StateError(where, expected=expected, got=str(tuple(value.shape)), mend="None starts from rest.")


def _run_programs(
    plan: Plan, programs: Programs, current_TB: Tensor, states_B: Sequence[Tensor], values: dict[str, Tensor],
    executor: Executor, *, is_direct: bool, norm: Norm | None,
) -> tuple[dict[str, Tensor], Any]:  # fmt: skip
    axes = memory_order(current_TB)
    inside = None if axes == sorted(axes) else [axis - 1 for axis in axes[1:]]  # the same order, of a state
    if inside is not None:
        current_TB, states_B = current_TB.permute(axes), [s.permute(inside) for s in states_B]
    flat, inners = _coefficients(plan, programs, values, current_TB.shape[1:], inside)
    if norm is not None:
        inner = math.prod(current_TB.shape[axes.index(2) + 1 :])
        results = _run_normed(plan, current_TB, states_B, flat, inners, norm, inner)
    elif is_direct:
        results = direct.run(current_TB, states_B, flat, inners, plan.forward_text, plan.backward_text)
    else:
        results = _run_flat(plan, current_TB, states_B, flat, inners, executor)
    if inside is not None:
        back = {len(axes): inverse(axes), len(inside): inverse(inside)}
        results = [r.permute(back[r.ndim]) for r in results]
    count = len(plan.outputs)
    return dict(zip(plan.outputs, results[:count], strict=True)), plan.neuron.State(*results[count:])


def _run_flat(
    plan: Plan, current_TB: Tensor, states_B: Sequence[Tensor], coefficients: list[Tensor], inners: list[int],
    executor: Executor,
) -> Sequence[Tensor]:  # fmt: skip
    """Run over neurons in the order of their axes; returns the outputs, then the final states."""
    shape = current_TB.shape
    current_TN = current_TB.reshape(shape[0], math.prod(shape[1:])).contiguous()
    states_N = [s.reshape(-1).contiguous() for s in states_B]
    results = operators.forward(
        current_TN, states_N, coefficients, inners, plan.forward_text, plan.backward_text, executor
    )  # fmt: skip
    return [r.reshape(shape[r.ndim == 1 :]) for r in results]


def _run_normed(
    plan: Plan, current_TB: Tensor, states_B: Sequence[Tensor], coefficients: list[Tensor], inners: list[int],
    norm: Norm, inner: int,
) -> Sequence[Tensor]:  # fmt: skip
    """Normalise on the way in, and run as ``_run_flat``."""
    shape = current_TB.shape
    current_TN = current_TB.reshape(shape[0], math.prod(shape[1:])).contiguous()
    states_N = [s.reshape(current_TN.shape[1]) for s in states_B]
    texts = plan.forward_text, plan.backward_text
    way = normed_operators if torch.compiler.is_compiling() else normed
    results = way.run(current_TN, states_N, coefficients, inners, *texts, norm, inner)
    return [r.view(shape[r.ndim == 1 :]) for r in results]


def _coefficients(
    plan: Plan, programs: Programs, values: dict[str, Tensor], shape: torch.Size, inside: list[int] | None = None
) -> tuple[list[Tensor], list[int]]:
    """Compute what the step reads of the parameters; return the values, and how many neurons in a row share each.

    Args: shape: of a state. inside: how its axes were permuted, if they were.
    """
    if not values:
        return [], []
    found = evaluate(programs.prologue, {f"param.{name}": value for name, value in values.items()})
    flat, inners = [], []
    for name, _ in programs.prologue.outputs:
        value = found[name]
        if inside is not None and value.numel() > 1:
            value = value.reshape((1,) * (len(shape) - value.ndim) + value.shape).permute(inside)
        value, inner = _flatten(value, shape, type(plan.neuron).__name__)
        flat.append(value)
        inners.append(inner)
    return flat, inners


def _flatten(value: Tensor, shape: torch.Size, name: str) -> tuple[Tensor, int]:
    """Lay a coefficient out so that neuron n reads values[(n // inner) % len(values)]."""
    if value.numel() == 1:
        return value.reshape(1), 1
    sizes = (1,) * (len(shape) - value.ndim) + tuple(value.shape)
    if len(sizes) != len(shape) or any(a not in (1, b) for a, b in zip(sizes, shape, strict=True)):
        expected = f"a shape that broadcasts against the state {tuple(shape)}"
        raise ShapeError(f"parameter of {name}", expected=expected, got=str(tuple(value.shape)))
    own = [axis for axis, size in enumerate(sizes) if size > 1]
    first, last = own[0], own[-1]
    if sizes[first : last + 1] != tuple(shape[first : last + 1]):
        return value.expand(shape).reshape(-1).contiguous(), 1
    return value.reshape(-1).contiguous(), math.prod(shape[last + 1 :])
