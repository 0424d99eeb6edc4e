"""Run a neuron a step at a time in a loop whose currents depend on its spikes. Axes: T time, B batch."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ranvier.kernels import dispatch, operators
from ranvier.kernels.cpu import direct
from ranvier.kernels.dispatch import Executor
from ranvier.kernels.plan import Plan, Programs


class Steps:
    """The same as ``ranvier.kernels.run`` on one step after the other; parameters are looked at once for all steps.

    An eager step on the CPU costs about a quarter of a call of ``run``; anything else is such a call.

    Args: plan: of the neuron. like_B: a current (B, ...) as they will come: its shape, type and device.
        params, executor: as of ``run``.
    Raises: ShapeError, UnknownNameError.
    """

    def __init__(
        self, plan: Plan, like_B: Tensor, *, params: Mapping[str, Tensor], executor: Executor = "auto"
    ) -> None:
        self.plan, self._params, self._executor = plan, params, executor
        self._ready: tuple[list[Tensor], list[int]] | None = None
        if like_B.is_floating_point() and operators.is_direct(like_B, executor) and isinstance(plan.programs, Programs):
            self._dtype = torch.float64 if like_B.dtype == torch.float64 else torch.float32
            _, values = dispatch._bind(plan, params, self._dtype, f"run of {type(plan.neuron).__name__}")
            self._ready = dispatch._coefficients(plan, plan.programs, values, like_B.shape)

    def __call__(self, current_B: Tensor, state: Any) -> tuple[dict[str, Tensor], Any]:
        """Run one step: currents (B, ...) and a State to the outputs (B, ...) that the plan names, and a State."""
        plan = self.plan
        if self._ready is None:
            outputs, state = dispatch.run(
                plan, current_B.unsqueeze(0), state, params=self._params, executor=self._executor
            )
            return {name: value[0] for name, value in outputs.items()}, state
        states = [s.to(self._dtype) for s in state]
        results = direct.run(
            current_B.contiguous().unsqueeze(0), states, *self._ready, plan.forward_text, plan.backward_text
        )
        count = len(plan.outputs)
        found = {name: value[0] for name, value in zip(plan.outputs, results[:count], strict=True)}
        return found, plan.neuron.State(*results[count:])
