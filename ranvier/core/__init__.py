"""The nouns: neuron, surrogate, reset, rule, chip, system, claim; errors, units and seeds."""

from ranvier.core.chip import Chip, Cost, NumberFormat
from ranvier.core.claim import Claim, Outcome, judge
from ranvier.core.errors import RanvierError
from ranvier.core.neuron import Neuron
from ranvier.core.reset import NoReset, Reset, Subtract, ToValue
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.core.surrogate import Soft, Surrogate, spike
from ranvier.core.system import Paper, System

__all__ = [
    "Chip", "Claim", "Cost", "Evaluation", "Loss", "Neuron", "NoReset", "NumberFormat", "Outcome", "Paper",
    "RanvierError", "Reset", "Rule", "Soft", "Subtract", "Surrogate", "System", "ToValue", "judge", "spike",
]  # fmt: skip
