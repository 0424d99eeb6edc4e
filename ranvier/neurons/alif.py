"""LIF neuron with an adaptive threshold. Source: Bellec et al. 2018, NeurIPS, arXiv:1803.09574; 2020, e-prop."""

from typing import NamedTuple

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check
from ranvier.neurons.discretisation import Discretisation, decay


class ALIF(Neuron):
    """Adaptive LIF neuron: each spike raises the threshold, which falls back slowly (the LSNN neuron).

    ::

        h = v_rest + d (v - v_rest) + g current
        spikes = H(h - (v_th + beta a))
        v' = reset(h, spikes, v_th)
        a' = p a + spikes                   p = exp(-dt / tau_a) or 1 - dt / tau_a

    with d and g as in LIF.

    ==============  =======  ====  =======  ==============================================================
    parameter       default  unit  symbol   meaning
    ==============  =======  ====  =======  ==============================================================
    tau_m           20       ms    tau_m    membrane time constant
    tau_a           200      ms    tau_a    time constant of the adaptation, 200 to 700
    beta            0.1      mV    beta     jump of the threshold at a spike
    v_th            1        mV    b_0      threshold at rest
    v_rest          0        mV    v_rest   potential that the leak aims at
    decay_input     True                    a current (True) or jumps of v (False)
    discretisation  exact                   of both decays
    ==============  =======  ====  =======  ==============================================================

    State: v, membrane potential (mV); a, adaptation (dimensionless: a decaying count of spikes), both after the step.

    Order: leak and input, threshold, reset, adaptation. The soft reset subtracts v_th, not the raised threshold.

    Source: e-prop (Bellec et al. 2020, Nat. Commun. 11:3625), eq. 6 to 8. The LSNN paper (2018) lets a jump by 1 - p:
    its beta = 1.8 is beta = 1.8 (1 - p) here. See also: SynapticALIF (Norse's LSNN), AdLIF (adaptation by a current).
    """

    tau_m: Ms = 20.0
    tau_a: Ms = 200.0
    beta: Mv = 0.1
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    discretisation: Discretisation = "exact"

    class State(NamedTuple):
        """State of an adaptive LIF neuron."""

        v: Tensor  # membrane potential, mV
        a: Tensor  # adaptation, dimensionless

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_a")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d if self.decay_input else 1.0) * current
        spikes = self.spike(v - self.v_th - self.beta * state.a)
        a = decay(self.tau_a, dt=dt, how=self.discretisation) * state.a + spikes
        return self.State(v=self.reset(v, spikes, self.v_th), a=a), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, a=0.0)  # type: ignore[arg-type] # numbers stand for tensors of any shape
