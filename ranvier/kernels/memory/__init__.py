"""Leaky memory that a small network updates: a loop over time whose way back gathers the gradients of all steps."""

from ranvier.kernels.memory.dispatch import Update, run

__all__ = ["Update", "run"]
