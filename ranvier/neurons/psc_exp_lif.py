"""LIF neuron with exponential postsynaptic currents, exact. Source: Rotter and Diesmann 1999, Biol. Cybern. 81:381."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.maths import exp
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Ms, Mv, Pa, Pf
from ranvier.neurons.checks import check, require_not_negative
from ranvier.neurons.discretisation import mean_growth


class PscExpLIF(Neuron):
    """LIF neuron with exponential postsynaptic currents, integrated exactly (NEST's iaf_psc_exp).

    tau_m v' = -(v - v_rest) + (tau_m / c_m) (i + i_e), tau_syn i' = -i, over one step of dt::

        r = t_left > dt / 2
        h = v if r else v_rest + P22 (v - v_rest) + P21 i + P20 i_e
        i' = P11 i + current
        spikes = 0 if r else H(h - v_th)
        v' = reset(h, spikes, v_th);  t_left' = t_ref if spikes else max(t_left - dt, 0)

        P11 = exp(-dt / tau_syn)    P22 = exp(-dt / tau_m)    P20 = (tau_m / c_m) (1 - P22)
        P21 = (P11 - P22) / (1 / tau_m - 1 / tau_syn) / c_m, dt P22 / c_m where tau_syn = tau_m

    =========  ==========  ====  =======  ===================================================
    parameter  default     unit  symbol   meaning
    =========  ==========  ====  =======  ===================================================
    tau_m      10          ms    tau_m    membrane time constant
    tau_syn    2           ms    tau_syn  time constant of the postsynaptic current
    c_m        250         pF    C_m      membrane capacitance
    t_ref      2           ms    t_ref    refractory time, round(t_ref / dt) steps
    v_th       -55         mV    V_th     threshold
    v_rest     -70         mV    E_L      potential that the leak aims at
    i_e        0           pA    I_e      constant external current
    reset      to -70 mV                  hard
    =========  ==========  ====  =======  ===================================================

    State: v (mV); i, postsynaptic current (pA); t_left, refractory time left (ms), all after the step.
    ``current``: sum of the weights (pA) of the spikes that arrive at the end of this step; v hears them from the next.

    Order: membrane, synapse, threshold, reset. i goes on in the refractory time.

    Source: Rotter and Diesmann 1999, section 3.1. Departs from NEST in having one synaptic time constant, not two.
    See also: SynapticLIF, RefractoryLIF.
    """

    tau_m: Ms = 10.0
    tau_syn: Ms = 2.0
    c_m: Pf = 250.0
    t_ref: Ms = 2.0
    v_th: Mv = -55.0
    v_rest: Mv = -70.0
    i_e: Pa = 0.0
    reset: Reset = ToValue(v_reset=-70.0)

    class State(NamedTuple):
        """State of a LIF neuron with exponential postsynaptic currents."""

        v: Tensor  # membrane potential, mV
        i: Tensor  # postsynaptic current, pA
        t_left: Tensor  # refractory time left, ms

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_syn", "c_m")
        require_not_negative(self, "t_ref")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        p11, p22 = exp(-dt / self.tau_syn), exp(-dt / self.tau_m)
        p20 = self.tau_m / self.c_m * (1.0 - p22)
        # P21 without the cancellation of its plain form near tau_syn = tau_m.
        p21 = dt / self.c_m * p22 * mean_growth(dt / self.tau_m - dt / self.tau_syn)
        awake = (state.t_left <= 0.5 * dt).to(state.v.dtype)
        v = self.v_rest + p22 * (state.v - self.v_rest) + p21 * state.i + p20 * self.i_e
        v = torch.where(awake > 0, v, state.v)
        spikes = awake * self.spike(v - self.v_th)
        t_left = torch.where(spikes > 0, self.t_ref, torch.relu(state.t_left - dt))
        return self.State(v=self.reset(v, spikes, self.v_th), i=p11 * state.i + current, t_left=t_left), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, i=0.0, t_left=0.0)  # type: ignore[arg-type] # numbers stand for tensors
