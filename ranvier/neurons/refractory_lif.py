"""Leaky integrate-and-fire neuron with an absolute refractory time. Source: Gerstner et al. 2014, section 1.3.1."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check, require_not_negative
from ranvier.neurons.discretisation import Discretisation, decay


class RefractoryLIF(Neuron):
    """LIF neuron that rests for t_ref after a spike: v stays where the reset put it and nothing is integrated.

    ::

        r = t_left > dt / 2
        h = v if r else v_rest + d (v - v_rest) + g current
        spikes = 0 if r else H(h - v_th)
        v' = reset(h, spikes, v_th)
        t_left' = t_ref if spikes else max(t_left - dt, 0)

    with d and g as in LIF.

    ==============  ========  ====  =======  =======================================================
    parameter       default   unit  symbol   meaning
    ==============  ========  ====  =======  =======================================================
    tau_m           20        ms    tau_m    membrane time constant
    t_ref           2         ms    t_ref    refractory time, round(t_ref / dt) steps
    v_th            1         mV    v_th     threshold
    v_rest          0         mV    v_rest   potential that the leak aims at
    decay_input     True                     a current (True) or jumps of v (False, as iaf_psc_delta)
    discretisation  exact                    of the leak
    reset           to 0 mV                  hard by default, as usual in network simulation
    ==============  ========  ====  =======  =======================================================

    State: v, membrane potential after the step (mV); t_left, refractory time that is left (ms).

    Order: leak and input unless refractory, threshold, reset. Input that arrives in the refractory time is lost.
    Firing period under a constant current I: t_ref + tau_m ln(I / (I - v_th)) (v_rest = v_reset = 0).

    Source: Gerstner et al. 2014, eq. 1.5 and 1.16. See also: LIF, PscExpLIF.
    """

    tau_m: Ms = 20.0
    t_ref: Ms = 2.0
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    discretisation: Discretisation = "exact"
    reset: Reset = ToValue()

    class State(NamedTuple):
        """State of a LIF neuron with a refractory time."""

        v: Tensor  # membrane potential, mV
        t_left: Tensor  # refractory time left, ms

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m")
        require_not_negative(self, "t_ref")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        # Half a step of tolerance, so that rounding in the countdown never adds a step.
        awake = (state.t_left <= 0.5 * dt).to(state.v.dtype)
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d if self.decay_input else 1.0) * current
        v = torch.where(awake > 0, v, state.v)
        spikes = awake * self.spike(v - self.v_th)
        t_left = torch.where(spikes > 0, self.t_ref, torch.relu(state.t_left - dt))
        return self.State(v=self.reset(v, spikes, self.v_th), t_left=t_left), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, t_left=0.0)  # type: ignore[arg-type] # numbers stand for tensors
