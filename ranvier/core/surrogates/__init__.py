"""Surrogate derivatives, one a file."""

from ranvier.core.surrogates.atan import ATan

__all__ = ["ATan"]
