"""Surrogate derivatives, one a file."""

from ranvier.core.surrogates.atan import ATan
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.surrogates.gaussian import Gaussian
from ranvier.core.surrogates.leaky import Leaky
from ranvier.core.surrogates.piecewise_exponential import PiecewiseExponential
from ranvier.core.surrogates.potential_dependent import PotentialDependent
from ranvier.core.surrogates.rectangle import Rectangle
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.core.surrogates.straight_through import StraightThrough
from ranvier.core.surrogates.triangle import Triangle

__all__ = [
    "ATan",
    "FastSigmoid",
    "Gaussian",
    "Leaky",
    "PiecewiseExponential",
    "PotentialDependent",
    "Rectangle",
    "Sigmoid",
    "StraightThrough",
    "Triangle",
]
