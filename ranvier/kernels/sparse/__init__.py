"""Sparse primitives: products of events with weights, touching only the rows of what fired."""

from ranvier.kernels.sparse.native import absence
from ranvier.kernels.sparse.stages import FORMS, Counts, Exchange, Stage
from ranvier.kernels.sparse.weights import Precision, Rows

__all__ = ["FORMS", "Counts", "Exchange", "Precision", "Rows", "Stage", "absence"]
