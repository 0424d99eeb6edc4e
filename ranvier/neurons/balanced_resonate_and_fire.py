"""Balanced resonate-and-fire neuron. Source: Higuchi et al. 2024, ICML, arXiv:2402.14603."""

import math
from typing import NamedTuple

from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.maths import sqrt
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import NoReset, Reset
from ranvier.core.units import Hz, Mv, Param
from ranvier.neurons.checks import check, require_not_negative


class BalancedResonateAndFire(Neuron):
    """Balanced resonate-and-fire neuron: an oscillator kept at the edge of stability, with a soft refractoriness.

    ::

        b = (sqrt(1 - (omega dt)^2) - 1) / dt - b_offset - damping q        omega = 2 pi frequency
        u' = u + dt (b u - omega v + current)
        v' = v + dt (omega u + b v)
        spikes = H(u' - (v_th + q))
        q' = gamma q + spikes

    =========  =======  ====  =======  ==============================================================
    parameter  default  unit  symbol   meaning
    =========  =======  ====  =======  ==============================================================
    frequency  10       Hz             natural frequency, omega / 2 pi; omega dt must stay below 1
    b_offset   0.01     1/ms  b'       damping beyond the divergence boundary
    damping    0.01     1/ms           further damping for each unit of q (1 per 100 ms: the paper's unit of time)
    gamma      0.9      1     gamma    decay of q in one step
    v_th       1        mV    theta_c  threshold of the real part
    =========  =======  ====  =======  ==============================================================

    State: u, v, real and imaginary part of the oscillator (mV); q, refractoriness (dimensionless), after the step.
    ``current`` in mV/ms. There is no reset: a spike raises threshold and damping for a while, and gradients stay
    smooth.

    Order: damping from q before the step, oscillator (Euler, from the state before the step), threshold, q.

    Source: Higuchi et al. 2024, eq. 6 to 12, with dt = 0.01 of their unit at our 1 ms. See also: ResonateAndFire.
    """

    frequency: Hz = 10.0
    b_offset: Param = 0.01
    damping: Param = 0.01
    gamma: Param = 0.9
    v_th: Mv = 1.0
    reset: Reset = NoReset()

    class State(NamedTuple):
        """State of a balanced resonate-and-fire neuron."""

        u: Tensor  # real part, mV
        v: Tensor  # imaginary part, mV
        q: Tensor  # refractoriness, dimensionless

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "frequency")
        require_not_negative(self, "b_offset", "damping", "gamma")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        omega = self.frequency * (2.0 * math.pi / 1000.0)
        square = 1.0 - omega * dt * (omega * dt)
        if isinstance(square, float) and square < 0:
            raise ConfigError(
                "BalancedResonateAndFire.step", expected=f"dt <= {1 / omega:g} ms (omega dt <= 1)",
                got=f"dt = {dt:g} ms", mend="Take a smaller dt or a lower frequency.",
            )  # fmt: skip
        b = (sqrt(square) - 1.0) / dt - self.b_offset - self.damping * state.q
        u = state.u + dt * (b * state.u - omega * state.v + current)
        v = state.v + dt * (omega * state.u + b * state.v)
        spikes = self.spike(u - self.v_th - state.q)
        return self.State(u=u, v=v, q=self.gamma * state.q + spikes), spikes
