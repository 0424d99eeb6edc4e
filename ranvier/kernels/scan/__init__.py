"""Parallel in time: linear recurrences by an associative scan, and weighted windows."""

from ranvier.kernels.scan.affine import affine
from ranvier.kernels.scan.parallel import scan
from ranvier.kernels.scan.window import window

__all__ = ["affine", "scan", "window"]
