"""Where a membrane with an exponential upstroke rests: slightly above its leak's potential."""

from torch import Tensor

from ranvier.core.maths import exp


def exponential_rest(
    v_rest: float | Tensor, *, v_t: float | Tensor, delta_t: float | Tensor, share: float | Tensor = 1.0
) -> float | Tensor:
    """Solve v = v_rest + share delta_t exp((v - v_t) / delta_t) for its lower solution.

    Fixed-point iteration, which contracts below v_t; where there is no rest it stops at v_rest + share delta_t.

    Args: all in mV. share: leak's part of the conductance at rest, dimensionless.
    """
    v = v_rest
    for _ in range(100):
        exponent = (v - v_t) / delta_t
        limited = exponent.clamp(max=0.0) if isinstance(exponent, Tensor) else min(exponent, 0.0)
        v = v_rest + share * delta_t * exp(limited)
    return v
