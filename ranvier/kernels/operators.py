"""Programs as PyTorch operators, so that autograd, ``torch.compile`` and ``torch.export`` see one node a layer.

Importing this module registers ``ranvier::forward`` and ``ranvier::backward``. Programs travel as text: an exported
graph holds everything it needs.
"""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ranvier.core.errors import ExecutorError
from ranvier.core.program import Program, parse
from ranvier.kernels import gpu, twin
from ranvier.kernels.cpu import direct, machine
from ranvier.kernels.gpu import scan

_parse = lru_cache(maxsize=4096)(parse)


def choose(device_type: str, executor: str) -> tuple[str, ModuleType, str]:
    """Choose who runs programs on a device.

    Args: executor: "cpu", "gpu", "scan" (on a GPU), "twin", or "auto".
    Returns: its name, its module (with ``forward`` and ``backward`` of the meaning of ``twin``), and the reason.
    Raises: ExecutorError if the one that was asked for cannot run here.
    """
    absence = {"cpu": machine.absence, "gpu": gpu.absence, "scan": gpu.absence}
    modules: dict[str, ModuleType] = {"cpu": machine, "gpu": gpu, "scan": scan, "twin": twin}
    if executor != "auto":
        reason = absence[executor]() if executor in absence else None
        if reason is None and executor == "cpu" and device_type != "cpu":
            reason = f"the input is on {device_type}"
        if reason is not None:
            raise ExecutorError(f'executor="{executor}"', expected="an executor that can run here", got=reason)
        return executor, modules[executor], "it was asked for"
    best = "cpu" if device_type == "cpu" else "gpu"
    reason = absence[best]()
    if reason is None:
        return best, modules[best], f"the input is on {device_type}"
    return "twin", twin, f"{best} cannot run: {reason}"


def chosen(device_type: str, executor: str) -> ModuleType:
    """Choose, and say once in a process if that is the slow one; see ``choose``."""
    name, module, reason = choose(device_type, executor)
    if name == "twin" and executor == "auto":
        # From one place with one text, so that Python's own filter shows it once.
        warnings.warn(f"The slow executor in plain torch runs this neuron: {reason}", RuntimeWarning, stacklevel=1)
    return module


def _coefficients(values: Sequence[Tensor], inners: Sequence[int]) -> list[twin.Coefficient]:
    return [twin.Coefficient(v, n) for v, n in zip(values, inners, strict=True)]


def is_direct(current: Tensor, executor: str) -> bool:
    """Tell whether a call may go past PyTorch's dispatcher as nobody listens to it; see ``kernels.cpu.direct``."""
    return executor in ("auto", "cpu") and direct.applies(current) and machine.absence() is None


@torch.library.custom_op("ranvier::forward", mutates_args=())
def forward(
    current: Tensor, states: Sequence[Tensor], coefficients: Sequence[Tensor], inners: Sequence[int],
    program: str, vjp: str, executor: str,
) -> list[Tensor]:  # fmt: skip
    """Run a program over (T, N) currents; returns the outputs of all steps, then the final states."""
    module = chosen(current.device.type, executor)
    result = module.forward(_parse(program), current, states, _coefficients(coefficients, inners))
    return [*result.outputs, *result.states]


@torch.library.custom_op("ranvier::backward", mutates_args=())
def backward(
    grads: Sequence[Tensor | None], current: Tensor, states: Sequence[Tensor], coefficients: Sequence[Tensor],
    inners: Sequence[int], program: str, vjp: str, executor: str,
) -> list[Tensor]:  # fmt: skip
    """Carry gradients back: returns those of the current, of the initial states and of the coefficients."""
    module = chosen(current.device.type, executor)
    num_outputs = len(grads) - len(states)
    result = module.backward(
        _parse(program), _parse(vjp), current, states, _coefficients(coefficients, inners),
        [None if g is None else g.contiguous() for g in grads[:num_outputs]],
        [None if g is None else g.contiguous() for g in grads[num_outputs:]],
    )  # fmt: skip
    return [result.current, *result.states, *result.coefficients]


def _num_outputs(program: Program) -> int:
    return sum(name.startswith("out.") for name, _ in program.outputs)


@forward.register_fake
def _(current: Any, states: Any, coefficients: Any, inners: Any, program: str, vjp: str, executor: str) -> list[Tensor]:
    outputs = [torch.empty_like(current) for _ in range(_num_outputs(parse(program)))]
    return [*outputs, *(torch.empty_like(s) for s in states)]


@backward.register_fake
def _(
    grads: Any, current: Any, states: Any, coefficients: Any, inners: Any, program: str, vjp: str, executor: str
) -> list[Tensor]:
    return [torch.empty_like(x) for x in (current, *states, *coefficients)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    current, states, coefficients, *ctx.rest = inputs  # rest: inners, program, vjp, executor
    ctx.set_materialize_grads(False)
    ctx.num_states = len(states)
    ctx.save_for_backward(current, *states, *coefficients)


def _differentiate(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    current, *others = ctx.saved_tensors
    states, coefficients = others[: ctx.num_states], others[ctx.num_states :]
    d_current, *d_others = backward(grads, current, states, coefficients, *ctx.rest)
    # torch takes an empty list of numbers for a list of tensors, and wants a list back.
    no_inners: list[None] | None = None if coefficients else []
    return d_current, d_others[: ctx.num_states], d_others[ctx.num_states :], no_inners, None, None, None


forward.register_autograd(_differentiate, setup_context=_keep)
