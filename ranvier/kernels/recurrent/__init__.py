"""Neurons that hear each other, and products with mostly silent inputs: loops over time and events in C++."""

from ranvier.kernels.recurrent.dispatch import explain, run
from ranvier.kernels.recurrent.linear import linear

__all__ = ["explain", "linear", "run"]
