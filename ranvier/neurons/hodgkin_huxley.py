"""Hodgkin-Huxley neuron of the squid axon. Source: Hodgkin and Huxley 1952, J. Physiol. 117:500."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import NoReset, Reset
from ranvier.core.units import Mv, Param
from ranvier.neurons.checks import check, require_not_negative


class HodgkinHuxley(Neuron):
    """Hodgkin-Huxley neuron: sodium, potassium and leak currents, by the exponential Euler method.

    ::

        c_m v' = g_na m^3 h (e_na - v) + g_k n^4 (e_k - v) + g_l (e_l - v) + current
        x' = alpha_x(v) (1 - x) - beta_x(v) x        for x = m, h, n
        alpha_m = L((v + 40) / 10)          beta_m = 4 exp(-(v + 65) / 18)         L(y) = y / (1 - exp(-y))
        alpha_h = 0.07 exp(-(v + 65) / 20)  beta_h = 1 / (1 + exp(-(v + 35) / 10))
        alpha_n = 0.1 L((v + 55) / 10)      beta_n = 0.125 exp(-(v + 65) / 80)     (1/ms)

    =========  =======  ======  ======  ===========================================
    parameter  default  unit    symbol  meaning
    =========  =======  ======  ======  ===========================================
    c_m        1        uF/cm2  C       membrane capacitance
    g_na       120      mS/cm2  g_Na    sodium conductance, all channels open
    g_k        36       mS/cm2  g_K     potassium conductance, all channels open
    g_l        0.3      mS/cm2  g_L     leak conductance
    e_na       50       mV      E_Na    reversal potential of sodium
    e_k        -77      mV      E_K     reversal potential of potassium
    e_l        -54.4    mV      E_L     reversal potential of the leak
    v_th       -20      mV              an upward crossing of it is a spike
    =========  =======  ======  ======  ===========================================

    State: v (mV); m, h, n, open fractions of the gates, after the step. ``current`` in uA/cm2.

    Order: all four variables from the state before the step, each exactly for the others held constant (Rush and
    Larsen 1978 for the gates), then the crossing. No reset. Exponents are limited to +-50 and the singularities of L
    are filled in, so that nothing overflows. Use dt <= 0.05 ms.

    ``rest`` is -65 mV with the gates in equilibrium, which is the resting state of the default parameters.

    Source: Hodgkin and Huxley 1952, eq. 25 and 26, in today's sign and with the rest at -65 mV (Gerstner et al. 2014,
    section 2.2). See also: AdEx, EIF.
    """

    c_m: Param = 1.0
    g_na: Param = 120.0
    g_k: Param = 36.0
    g_l: Param = 0.3
    e_na: Mv = 50.0
    e_k: Mv = -77.0
    e_l: Mv = -54.4
    v_th: Mv = -20.0
    reset: Reset = NoReset()

    class State(NamedTuple):
        """State of a Hodgkin-Huxley neuron."""

        v: Tensor  # membrane potential, mV
        m: Tensor  # sodium activation
        h: Tensor  # sodium inactivation
        n: Tensor  # potassium activation

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "c_m", "g_l")
        require_not_negative(self, "g_na", "g_k")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        v, m, h, n = state
        sodium, potassium = self.g_na * m * m * m * h, self.g_k * n * n * n * n
        total = sodium + potassium + self.g_l
        goal = (sodium * self.e_na + potassium * self.e_k + self.g_l * self.e_l + current) / total
        v_new = goal + (v - goal) * torch.exp(-dt / self.c_m * total)
        crossed = self.spike(v_new - self.v_th)
        spikes = torch.where(v < self.v_th, crossed, torch.zeros_like(crossed))
        gates = (_relax(x, *rates, dt) for x, rates in zip((m, h, n), _rates(v), strict=True))
        return self.State(v_new, *gates), spikes

    def rest(self) -> State:
        v = torch.tensor(-65.0, dtype=torch.float64)
        gates = ((opening / (opening + closing)).item() for opening, closing in _rates(v))
        return self.State(-65.0, *gates)  # type: ignore[arg-type] # numbers stand for tensors of any shape


def _rates(v: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Compute the opening and closing rates of m, h and n, 1/ms."""
    return (
        (_linoid((v + 40.0) / 10.0), 4.0 * _exp((v + 65.0) / -18.0)),
        (0.07 * _exp((v + 65.0) / -20.0), torch.sigmoid((v + 35.0) / 10.0)),
        (0.1 * _linoid((v + 55.0) / 10.0), 0.125 * _exp((v + 65.0) / -80.0)),
    )


def _relax(x: Tensor, opening: Tensor, closing: Tensor, dt: float) -> Tensor:
    """Let a gate relax for one step of constant rates."""
    total = opening + closing
    goal = opening / total
    return goal + (x - goal) * torch.exp(-dt * total)


def _exp(x: Tensor) -> Tensor:
    return torch.exp(torch.clamp(x, min=-50.0, max=50.0))


def _linoid(y: Tensor) -> Tensor:
    """Compute y / (1 - exp(-y)), 1 + y / 2 near the removable singularity at 0."""
    near = torch.abs(y) < 1e-4  # the next term of the series, y^2 / 12, is below 1e-9 there
    safe = torch.where(near, torch.ones_like(y), torch.clamp(y, min=-50.0, max=50.0))
    return torch.where(near, 1.0 + 0.5 * y, safe / -torch.expm1(-safe))
