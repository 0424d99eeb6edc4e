"""Learning rules: how one batch becomes gradients."""

from ranvier.rules.bptt import BPTT
from ranvier.rules.stdp import STDP

__all__ = ["BPTT", "STDP"]
