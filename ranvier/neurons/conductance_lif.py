"""LIF neuron with conductances and a creeping threshold. Source: Diehl and Cook 2015, Front. Comp. Neuro. 9:99."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.maths import exp, expm1
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check, require_not_negative


class ConductanceLIF(Neuron):
    """LIF neuron with an excitatory and an inhibitory conductance, and a threshold that each spike raises for long.

    tau_m v' = (v_rest - v) + g_e (e_exc - v) + g_i (e_inh - v), conductances in units of the leak's. Over a step dt::

        g_e = state.g_e + max(current, 0)        m_e = g_e (1 - exp(-dt / tau_e)) tau_e / dt, its mean over the step
        g_i = state.g_i + max(-current, 0)       m_i likewise with tau_i
        a = t_left <= t_mute + dt / 2            (not refractory)
        h = v_inf + (v - v_inf) exp(-(1 + m_e + m_i) dt / tau_m) if a else v
            v_inf = (v_rest + m_e e_exc + m_i e_inh) / (1 + m_e + m_i)
        theta = state.theta exp(-dt / tau_theta)
        spikes = H(h - v_th - theta) if t_left <= dt / 2 else 0
        v' = reset(h, spikes, v_th);  theta' = theta + theta_plus spikes
        g_e' = g_e exp(-dt / tau_e);  g_i' = g_i exp(-dt / tau_i)
        t_left' = t_ref + t_mute if spikes else max(t_left - dt, 0)

    ==========  =========  ====  ===========  ======================================================================
    parameter   default    unit  symbol       meaning
    ==========  =========  ====  ===========  ======================================================================
    tau_m       100        ms    tau          membrane time constant
    tau_e       1          ms    tau_ge       decay of the excitatory conductance
    tau_i       2          ms    tau_gi       decay of the inhibitory conductance
    v_rest      -65        mV    E_rest       potential that the leak aims at
    e_exc       0          mV    E_exc        excitatory reversal potential
    e_inh       -100       mV    E_inh        inhibitory reversal potential
    v_th        -52        mV    v_thres      threshold before it has crept
    theta_plus  0.05       mV    theta_plus   rise of the threshold at a spike; 0: a fixed threshold
    tau_theta   1e+07      ms    tau_theta    decay of that rise
    t_ref       5          ms    t_ref        time after a spike in which v stands still
    t_mute      0          ms                 time after t_ref in which v moves but no spike is sent
    reset       to -65 mV                     hard
    ==========  =========  ====  ===========  ======================================================================

    State: v (mV); g_e, g_i (conductance over the leak's); theta (mV); t_left (ms), all after the step.
    ``current``: weights of the spikes that arrive now, dimensionless; a positive one adds to g_e, a negative one to
    g_i. Who has both in a step adds one of them to the state: ``state._replace(g_i=state.g_i + weight)``.

    Order: conductances jump, membrane, threshold, reset, conductances decay. Their decay is exact; v is exact for
    conductances that stay at their mean over the step. They go on in the refractory time.

    Source: Diehl and Cook 2015, section 2.1. See also: RefractoryLIF, PscExpLIF, ALIF.
    """

    tau_m: Ms = 100.0
    tau_e: Ms = 1.0
    tau_i: Ms = 2.0
    v_rest: Mv = -65.0
    e_exc: Mv = 0.0
    e_inh: Mv = -100.0
    v_th: Mv = -52.0
    theta_plus: Mv = 0.05
    tau_theta: Ms = 1e7
    t_ref: Ms = 5.0
    t_mute: Ms = 0.0
    reset: Reset = ToValue(v_reset=-65.0)

    class State(NamedTuple):
        """State of a LIF neuron with conductance synapses."""

        v: Tensor  # membrane potential, mV
        g_e: Tensor  # excitatory conductance over the leak's
        g_i: Tensor  # inhibitory conductance over the leak's
        theta: Tensor  # how far the threshold has risen, mV
        t_left: Tensor  # time left until it may spike, ms

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_e", "tau_i", "tau_theta")
        require_not_negative(self, "t_ref", "t_mute", "theta_plus")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        g_e, g_i = state.g_e + torch.relu(current), state.g_i + torch.relu(-current)
        m_e = g_e * (-expm1(-dt / self.tau_e) * self.tau_e / dt)
        m_i = g_i * (-expm1(-dt / self.tau_i) * self.tau_i / dt)
        total = 1.0 + m_e + m_i
        v_inf = (self.v_rest + m_e * self.e_exc + m_i * self.e_inh) / total
        v = v_inf + (state.v - v_inf) * torch.exp(total * (-dt / self.tau_m))
        # Half a step of tolerance, so that rounding in the countdown never adds a step.
        v = torch.where(state.t_left <= self.t_mute + 0.5 * dt, v, state.v)
        theta = state.theta * exp(-dt / self.tau_theta)
        awake = (state.t_left <= 0.5 * dt).to(v.dtype)
        spikes = awake * self.spike(v - self.v_th - theta)
        t_left = torch.where(spikes > 0, self.t_ref + self.t_mute, torch.relu(state.t_left - dt))
        return self.State(
            v=self.reset(v, spikes, self.v_th),
            g_e=g_e * exp(-dt / self.tau_e),
            g_i=g_i * exp(-dt / self.tau_i),
            theta=theta + self.theta_plus * spikes,
            t_left=t_left,
        ), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, g_e=0.0, g_i=0.0, theta=0.0, t_left=0.0)  # type: ignore[arg-type] # numbers stand for tensors
