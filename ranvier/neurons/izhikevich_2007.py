"""Izhikevich's neuron with dimensions. Source: Izhikevich 2007, Dynamical Systems in Neuroscience, section 8.1.4."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Mv, Ns, Pa, Param, Pf
from ranvier.neurons.checks import check, require_reset


class Izhikevich2007(Neuron):
    """Izhikevich's simple neuron of 2007, by the forward Euler method.

    ::

        c_m v' = k (v - v_rest) (v - v_t) - u + current
        u' = a (b (v - v_rest) - u)
        at v >= v_peak: a spike, v = c, u = u + d

    =========  =========  =====  ======  ==========================================
    parameter  default    unit   symbol  meaning
    =========  =========  =====  ======  ==========================================
    c_m        100        pF     C       membrane capacitance
    k          0.7        nS/mV  k       curvature
    v_rest     -60        mV     v_r     resting potential
    v_t        -40        mV     v_t     instantaneous threshold
    a          0.03       1/ms   a       rate of the recovery
    b          -2         nS     b       sensitivity of the recovery to v
    d          100        pA     d       jump of the recovery at a spike
    v_peak     35         mV     v_peak  where the spike is cut and counted
    reset      to -50 mV         c       hard
    =========  =========  =====  ======  ==========================================

    State: v, membrane potential (mV); u, recovery current (pA), both after the step. ``current`` in pA.

    Order: both variables from the state before the step, threshold, reset. v is cut at v_peak before the reset.
    The defaults are the regular spiking cell. Use dt <= 0.25 ms.

    Source: Izhikevich 2007, eq. 8.5 and 8.6, figure 8.12. See also: Izhikevich.
    """

    c_m: Pf = 100.0
    k: Param = 0.7
    v_rest: Mv = -60.0
    v_t: Mv = -40.0
    a: Param = 0.03
    b: Ns = -2.0
    d: Pa = 100.0
    v_peak: Mv = 35.0
    reset: Reset = ToValue(v_reset=-50.0)

    class State(NamedTuple):
        """State of an Izhikevich neuron with dimensions."""

        v: Tensor  # membrane potential, mV
        u: Tensor  # recovery current, pA

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "c_m", "k")
        require_reset(self, ToValue)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        above_rest = state.v - self.v_rest
        v = state.v + dt / self.c_m * (self.k * above_rest * (state.v - self.v_t) - state.u + current)
        u = state.u + dt * self.a * (self.b * above_rest - state.u)
        spikes = self.spike(v - self.v_peak)
        v = self.reset(torch.clamp(v, max=self.v_peak), spikes, self.v_peak)
        return self.State(v=v, u=u + self.d * spikes), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, u=0.0)  # type: ignore[arg-type] # numbers stand for tensors of any shape
