"""From a neuron's step to kernels: trace, derive, run."""

from ranvier.kernels.cpu.buffers import buffer_limit, idle_buffers, set_buffer_limit
from ranvier.kernels.dispatch import Executor, Explanation, Run, explain, rest, run
from ranvier.kernels.plan import Plan, plan

__all__ = [
    "Executor",
    "Explanation",
    "Plan",
    "Run",
    "buffer_limit",
    "explain",
    "idle_buffers",
    "plan",
    "rest",
    "run",
    "set_buffer_limit",
]
