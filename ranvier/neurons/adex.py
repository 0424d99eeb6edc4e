"""Adaptive exponential integrate-and-fire neuron. Source: Brette and Gerstner 2005, J. Neurophysiol. 94:3637."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Ms, Mv, Ns, Pa, Pf
from ranvier.neurons.checks import check, require_reset
from ranvier.neurons.exponential_rest import exponential_rest


class AdEx(Neuron):
    """Adaptive exponential integrate-and-fire neuron, by the forward Euler method.

    ::

        c_m v' = -g_l (v - v_rest) + g_l delta_t exp((v - v_t) / delta_t) - w + current
        tau_w w' = a (v - v_rest) - w
        at v >= v_peak: a spike, v = v_reset, w = w + b

    =========  ===========  ====  =======  ==================================================
    parameter  default      unit  symbol   meaning
    =========  ===========  ====  =======  ==================================================
    c_m        281          pF    C        membrane capacitance
    g_l        30           nS    g_L      leak conductance
    v_rest     -70.6        mV    E_L      resting potential
    v_t        -50.4        mV    V_T      where the upstroke starts
    delta_t    2            mV    Delta_T  sharpness of the upstroke
    v_peak     0            mV             where the spike is cut and counted
    tau_w      144          ms    tau_w    time constant of the adaptation
    a          4            nS    a        sub-threshold adaptation
    b          80.5         pA    b        jump of the adaptation at a spike
    reset      to -70.6 mV        V_r      hard
    =========  ===========  ====  =======  ==================================================

    State: v, membrane potential (mV); w, adaptation current (pA), both after the step. ``current`` in pA.

    Order: both variables from the state before the step, threshold, reset. The exponent is limited to 20 and v is cut
    at v_peak before the reset, so that nothing overflows; neither changes a trajectory below v_t + 20 delta_t.
    Use dt <= 0.1 ms.

    Source: Brette and Gerstner 2005, eq. 3 and table 1. Departs from the paper in v_peak (20 mV there) and in Euler's
    method. See also: EIF (no adaptation), Izhikevich.
    """

    c_m: Pf = 281.0
    g_l: Ns = 30.0
    v_rest: Mv = -70.6
    v_t: Mv = -50.4
    delta_t: Mv = 2.0
    v_peak: Mv = 0.0
    tau_w: Ms = 144.0
    a: Ns = 4.0
    b: Pa = 80.5
    reset: Reset = ToValue(v_reset=-70.6)

    class State(NamedTuple):
        """State of an AdEx neuron."""

        v: Tensor  # membrane potential, mV
        w: Tensor  # adaptation current, pA

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "c_m", "g_l", "delta_t", "tau_w")
        require_reset(self, ToValue)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        above_rest = state.v - self.v_rest
        upstroke = self.delta_t * torch.exp(torch.clamp((state.v - self.v_t) / self.delta_t, max=20.0))
        v = state.v + dt / self.c_m * (self.g_l * (upstroke - above_rest) - state.w + current)
        w = state.w + dt / self.tau_w * (self.a * above_rest - state.w)
        spikes = self.spike(v - self.v_peak)
        v = self.reset(torch.clamp(v, max=self.v_peak), spikes, self.v_peak)
        return self.State(v=v, w=w + self.b * spikes), spikes

    def rest(self) -> State:
        share = self.g_l / (self.g_l + self.a)
        v = exponential_rest(self.v_rest, v_t=self.v_t, delta_t=self.delta_t, share=share)
        return self.State(v=v, w=self.a * (v - self.v_rest))  # type: ignore[arg-type] # numbers stand for tensors of any shape
