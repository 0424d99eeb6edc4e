"""From a neuron's step to kernels: trace, derive, run."""

from ranvier.kernels.dispatch import Executor, Explanation, Run, explain, rest, run
from ranvier.kernels.plan import Plan, plan

__all__ = ["Executor", "Explanation", "Plan", "Run", "explain", "plan", "rest", "run"]
