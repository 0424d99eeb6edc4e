"""Elementary functions inside Triton kernels, rounded as torch rounds them. Imported only by printed kernels.

Triton's own exp, division and square root are approximations on the GPU; here they are the accurate forms that torch's
kernels use (CUDA's libdevice, which flushes denormal results of transcendental functions to zero). Triton's interpreter
has no libdevice: there numpy stands in.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

import math

import numpy as np
import triton
import triton.language as tl
from triton.language.extra import libdevice
from triton.runtime.interpreter import TensorHandle

if triton.knobs.runtime.interpret:

    def _by(function):
        """Make an elementwise numpy function one that interpreted kernels can call."""

        def call(*args):
            values = function(*(a.handle.data for a in args))
            return tl.tensor(TensorHandle(values.astype(args[0].handle.data.dtype), args[0].handle.dtype), args[0].type)

        return call

    exp, expm1, log, log1p, sqrt = _by(np.exp), _by(np.expm1), _by(np.log), _by(np.log1p), _by(np.sqrt)
    sin, cos, tanh, atan = _by(np.sin), _by(np.cos), _by(np.tanh), _by(np.arctan)
    erf, sigmoid = _by(np.vectorize(math.erf, otypes=[float])), _by(lambda x: 1 / (1 + np.exp(-x)))
    round_half_even, pow, div = _by(np.rint), _by(np.power), _by(np.divide)  # noqa: A001 - as the instruction is called

else:

    @triton.jit
    def exp(x):
        """Compute e to the power x."""
        return libdevice.exp(x)

    @triton.jit
    def expm1(x):
        """Compute exp(x) - 1 without cancellation near 0."""
        return libdevice.expm1(x)

    @triton.jit
    def log(x):
        """Compute the natural logarithm."""
        return libdevice.log(x)

    @triton.jit
    def log1p(x):
        """Compute log(1 + x) without cancellation near 0."""
        return libdevice.log1p(x)

    @triton.jit
    def sqrt(x):
        """Compute the square root, rounded to nearest."""
        if x.dtype == tl.float64:
            return tl.sqrt(x)
        else:  # noqa: RET505 - Triton wants one return a branch
            return tl.sqrt_rn(x)

    @triton.jit
    def sin(x):
        """Compute the sine of an angle in radians."""
        return libdevice.sin(x)

    @triton.jit
    def cos(x):
        """Compute the cosine of an angle in radians."""
        return libdevice.cos(x)

    @triton.jit
    def tanh(x):
        """Compute the hyperbolic tangent."""
        return libdevice.tanh(x)

    @triton.jit
    def atan(x):
        """Compute the arctangent."""
        return libdevice.atan(x)

    @triton.jit
    def erf(x):
        """Compute the error function."""
        return libdevice.erf(x)

    @triton.jit
    def sigmoid(x):
        """Compute 1 / (1 + exp(-x))."""
        return div(tl.full(x.shape, 1.0, x.dtype), 1.0 + libdevice.exp(x * -1.0))

    @triton.jit
    def round_half_even(x):
        """Round to the nearest whole number, halves to the even one."""
        return libdevice.rint(x)

    @triton.jit
    def pow(x, y):  # noqa: A001 - as the instruction is called
        """Compute x to the power y."""
        return libdevice.pow(x, y)

    @triton.jit
    def div(x, y):
        """Compute x / y, rounded to nearest."""
        if x.dtype == tl.float64:
            return x / y
        else:  # noqa: RET505 - Triton wants one return a branch
            return tl.div_rn(x, y)
