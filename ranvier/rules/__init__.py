"""Learning rules: how one batch becomes gradients."""

from ranvier.rules.bptt import BPTT

__all__ = ["BPTT"]
