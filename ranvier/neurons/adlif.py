"""LIF neuron with an adaptation current. Source: Bittar and Garner 2022, Frontiers in Neuroscience 16:865897."""

from typing import NamedTuple

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.units import Ms, Mv, Param
from ranvier.neurons.checks import check
from ranvier.neurons.discretisation import Discretisation, decay


class AdLIF(Neuron):
    """Adaptive LIF neuron: a second variable w, driven by v and by spikes, pulls on the membrane; it can resonate.

    tau_m v' = -(v - v_rest) + current - w, tau_w w' = a (v - v_rest) - w, over one step of dt::

        h = v_rest + d (v - v_rest) + (1 - d) (current - w)     d = exp(-dt / tau_m) or 1 - dt / tau_m
        spikes = H(h - v_th)                                    p = exp(-dt / tau_w) or 1 - dt / tau_w
        v' = reset(h, spikes, v_th)
        w' = p w + (1 - p) a (v - v_rest) + b spikes

    ==============  =======  ====  =======  ==================================================
    parameter       default  unit  symbol   meaning
    ==============  =======  ====  =======  ==================================================
    tau_m           20       ms    tau_m    membrane time constant
    tau_w           100      ms    tau_w    time constant of the adaptation
    a               1        1     a        coupling of w to the membrane
    b               0.2      mV    b        jump of w at a spike
    v_th            1        mV    v_th     threshold
    v_rest          0        mV    v_rest   resting potential
    discretisation  exact                   of both decays
    ==============  =======  ====  =======  ==================================================

    State: v, membrane potential; w, adaptation current times resistance, both after the step (mV).

    Order: membrane (with w of the step before), threshold, reset, adaptation (with v of the step before).

    Source: Bittar and Garner 2022, eq. 6 to 8, who write a for (1 - p) a and take the spikes of the step before.
    See also: ALIF (adaptive threshold), AdEx.
    """

    tau_m: Ms = 20.0
    tau_w: Ms = 100.0
    a: Param = 1.0
    b: Mv = 0.2
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    discretisation: Discretisation = "exact"

    class State(NamedTuple):
        """State of a LIF neuron with an adaptation current."""

        v: Tensor  # membrane potential, mV
        w: Tensor  # adaptation current times membrane resistance, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_w")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        p = decay(self.tau_w, dt=dt, how=self.discretisation)
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d) * (current - state.w)
        spikes = self.spike(v - self.v_th)
        w = p * state.w + (1.0 - p) * self.a * (state.v - self.v_rest) + self.b * spikes
        return self.State(v=self.reset(v, spikes, self.v_th), w=w), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, w=0.0)  # type: ignore[arg-type] # numbers stand for tensors of any shape
