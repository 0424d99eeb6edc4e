"""The recurrent loop in plain torch, step by step: this defines what is right. T time, B batch, N neurons."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ranvier.kernels.dispatch import Executor
from ranvier.kernels.dispatch import run as run_step
from ranvier.kernels.plan import Plan


def run(
    plan: Plan, x_TBN: Tensor, weight_NN: Tensor, bias_N: Tensor | None, state: Any, last_BN: Tensor, *,
    params: Mapping[str, Tensor], executor: Executor,
) -> tuple[dict[str, Tensor], Any]:  # fmt: skip
    """Drive neurons by I[t] = x[t] + (W s[t-1] + b), under autograd.

    Args: plan: of the neurons. x_TBN: (T, B, ..., N). state: a State, or None for rest. last_BN: spikes before the
        first step. executor: who computes a step.
    Returns: the outputs of every step, (T, B, ..., N) each, and the state after the last.
    """
    rows: dict[str, list[Tensor]] = {name: [] for name in plan.outputs}
    for x_BN in x_TBN:
        current_BN = x_BN + F.linear(last_BN, weight_NN, bias_N)
        outputs, state = run_step(plan, current_BN.unsqueeze(0), state, params=params, executor=executor)
        last_BN = outputs["spikes"][0]
        for name, row in rows.items():
            row.append(outputs[name][0])
    return {name: torch.stack(row) for name, row in rows.items()}, state
