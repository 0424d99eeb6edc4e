"""Run a neuron whose step is affine in its state over all time steps at once. T time, B batch, K state variables."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ranvier.core.errors import ExecutorError, TraceError
from ranvier.core.neuron import Neuron
from ranvier.core.params import parameters
from ranvier.core.trace import trace_step
from ranvier.kernels.evaluate import evaluate
from ranvier.kernels.scan.affine import Affine, affine
from ranvier.kernels.scan.parallel import scan


@lru_cache(maxsize=256)
def matrices(neuron: Neuron, dt: float) -> Affine | str:
    """Analyse a neuron's step; return its matrices, or why it has none."""
    try:
        return affine(trace_step(neuron, dt=dt))
    except TraceError as error:
        return f"the step cannot be traced: {error}"


def checked_matrices(neuron: Neuron, dt: float) -> Affine:
    """Return the matrices of a neuron's step.

    Raises: ExecutorError if the step is not affine in its state.
    """
    found = matrices(neuron, dt)
    if isinstance(found, str):
        mend = 'A reset, or an adaptation by spikes, makes it so: use reset=NoReset(), or executor="auto".'
        raise ExecutorError('executor="scan"', expected="a step that is affine in its state", got=found, mend=mend)
    return found


def run(
    described: Neuron, neuron: Neuron, current_TB: Tensor, state: Any, *, dt: float, outputs: tuple[str, ...]
) -> tuple[dict[str, Tensor], Any]:
    """Run a neuron over a sequence: its states by a scan, then its own step once, on all time steps side by side.

    Args: described: the plan's neuron. neuron: the same with its parameters bound. current_TB: (T, B, ...). state:
        (B, ...) tensors. dt: ms.
    Returns: as ``ranvier.kernels.reference.run``, equal to it but for rounding; a spike may move where a membrane
        comes that close to its threshold.
    Raises: ExecutorError if the step is not affine in its state.
    """
    found = checked_matrices(described, dt)
    T, shape = current_TB.shape[0], current_TB.shape[1:]
    if T == 0 or not state._fields:
        states_TB: tuple[Tensor, ...] = tuple(s.expand(0, *shape) for s in state)
    else:
        states_TB = _states(found, neuron, current_TB, state)
    before = [torch.cat([s.expand(shape).unsqueeze(0), s_TB])[:T] for s, s_TB in zip(state, states_TB, strict=True)]
    after, spikes_TB = neuron.step(type(state)(*before), current_TB, dt=dt)
    rows = {"spikes": spikes_TB, **after._asdict()}
    results = {name: rows[name].expand_as(current_TB) for name in outputs}
    last = [value.expand_as(current_TB)[-1] if T else s for value, s in zip(after, state, strict=True)]
    return results, type(state)(*last)


def _states(found: Affine, neuron: Neuron, current_TB: Tensor, state: Any) -> tuple[Tensor, ...]:
    """Compute the states after every step."""
    T, shape = current_TB.shape[0], current_TB.shape[1:]
    known = {name: value for name, value in parameters(neuron).items() if isinstance(value, Tensor)}
    inputs = {f"param.{name}": value for name, value in known.items()} | {"current": current_TB}
    values = evaluate(found.program, {name: inputs[name] for name in found.program.inputs})
    fields = state._fields
    spread = (T if found.varies else 1, *shape)
    zero = current_TB.new_zeros(())
    rows = [torch.stack([values.get(f"A.{r}.{c}", zero).expand(spread) for c in fields], 1) for r in fields]
    b_TK = torch.stack([values[f"b.{r}"].expand(T, *shape) for r in fields], 1)
    return scan(torch.stack(rows, 1), b_TK, torch.stack([s.expand(shape) for s in state])).unbind(1)
