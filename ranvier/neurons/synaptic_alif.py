"""Adaptive LIF neuron with a synaptic current: Norse's LSNN. Source: Bellec et al. 2018, NeurIPS, arXiv:1803.09574."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import ToValue
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check
from ranvier.neurons.discretisation import Discretisation, decay
from ranvier.neurons.peers import call, equality, hard_value


class SynapticALIF(Neuron):
    """Adaptive LIF neuron whose input is filtered by an exponential synapse.

    ::

        h = v_rest + d (v - v_rest) + (1 - d) i         d = exp(-dt / tau_m) or 1 - dt / tau_m
        spikes = H(h - (v_th + beta p a))               p = exp(-dt / tau_a) or 1 - dt / tau_a
        v' = reset(h, spikes, v_th)
        i' = s i + current                              s = exp(-dt / tau_syn) or 1 - dt / tau_syn
        a' = p a + spikes

    ==============  =======  ====  =======  ==============================================================
    parameter       default  unit  symbol   meaning
    ==============  =======  ====  =======  ==============================================================
    tau_m           20       ms    tau_m    membrane time constant
    tau_syn         5        ms    tau_syn  time constant of the synaptic current
    tau_a           200      ms    tau_a    time constant of the adaptation
    beta            0.1      mV    beta     jump of the threshold at a spike
    v_th            1        mV    v_th     threshold at rest
    v_rest          0        mV    v_rest   potential that the leak aims at
    discretisation  exact                   of the three decays
    ==============  =======  ====  =======  ==============================================================

    State: v (mV); i, synaptic current times resistance (mV); a, adaptation (dimensionless), all after the step.

    Order: membrane (hears the input of the step before), adaptation decays, threshold, reset, synapse.

    Source: Bellec et al. 2018, in the order of Norse 1.1. See also: ALIF, SynapticLIF.
    """

    tau_m: Ms = 20.0
    tau_syn: Ms = 5.0
    tau_a: Ms = 200.0
    beta: Mv = 0.1
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    discretisation: Discretisation = "exact"

    class State(NamedTuple):
        """State of an adaptive LIF neuron with a synaptic current."""

        v: Tensor  # membrane potential, mV
        i: Tensor  # synaptic current times membrane resistance, mV
        a: Tensor  # adaptation, dimensionless

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_syn", "tau_a")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d, s, p = (decay(tau, dt=dt, how=self.discretisation) for tau in (self.tau_m, self.tau_syn, self.tau_a))
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d) * state.i
        a = p * state.a
        spikes = self.spike(v - self.v_th - self.beta * a)
        return self.State(v=self.reset(v, spikes, self.v_th), i=s * state.i + current, a=a + spikes), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, i=0.0, a=0.0)  # type: ignore[arg-type] # numbers stand for tensors

    @classmethod
    def like_norse(
        cls, *, tau_syn_inv: float = 200.0, tau_mem_inv: float = 100.0, tau_adapt_inv: float = 1.0 / 800.0,
        v_leak: float = 0.0, v_th: float = 1.0, v_reset: float = 0.0, beta: float = 1.8,
    ) -> Self:  # fmt: skip
        """Make the neuron that Norse calls LSNN. Args: as there (times in 1/s; Norse's dt=0.001 is dt=1 here)."""
        return cls(
            tau_m=1000.0 / tau_mem_inv, tau_syn=1000.0 / tau_syn_inv, tau_a=1000.0 / tau_adapt_inv, beta=beta,
            v_th=v_th, v_rest=v_leak, strict=True, discretisation="euler", reset=ToValue(v_reset=v_reset),
            surrogate=FastSigmoid(k=1.0),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        d, s, p = (decay(tau, dt=dt, how=self.discretisation) for tau in (self.tau_m, self.tau_syn, self.tau_a))
        hard = hard_value(self.reset)
        if hard is None or not all(isinstance(x, float) for x in (d, s, p)):
            return {}
        inverse = {"tau_syn_inv": s, "tau_mem_inv": d, "tau_adapt_inv": p}
        words = call(
            "LSNNParameters", **{name: (1.0 - x) / dt * 1000.0 for name, x in inverse.items()}, v_leak=self.v_rest,
            v_th=self.v_th, v_reset=hard, beta=self.beta,
        )  # fmt: skip
        return {"Norse": f"{words}, dt={dt / 1000:g}" + equality(self.strict, peer=True)}
