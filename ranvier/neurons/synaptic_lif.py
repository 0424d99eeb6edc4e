"""LIF neuron with a synaptic current. Source: Neftci, Mostafa and Zenke 2019, IEEE SPM 36:51, eq. 3 and 4."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import ToValue
from ranvier.core.surrogates.atan import ATan
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.surrogates.rectangle import Rectangle
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check, one_of
from ranvier.neurons.discretisation import Discretisation, decay, time_constant
from ranvier.neurons.peers import (
    Mechanism,
    call,
    equality,
    hard_value,
    mechanism_of,
    require_factor,
    reset_of_snntorch,
    reset_of_spikingjelly,
)


class SynapticLIF(Neuron):
    """LIF neuron whose input is filtered by an exponential synapse.

    tau_syn i' = -i + jumps, tau_m v' = -(v - v_rest) + i, over one step of dt::

        i' = a i + current                              a = exp(-dt / tau_syn) or 1 - dt / tau_syn
        h = v_rest + d (v - v_rest) + g (i' or i)       d = exp(-dt / tau_m) or 1 - dt / tau_m
        spikes = H(h - v_th)                            g = 1 - d if decay_input else 1
        v' = reset(h, spikes, v_th)

    ==============  =============  ====  =======  ===========================================================
    parameter       default        unit  symbol   meaning
    ==============  =============  ====  =======  ===========================================================
    tau_m           20             ms    tau_m    membrane time constant
    tau_syn         5              ms    tau_syn  time constant of the synaptic current
    v_th            1              mV    v_th     threshold
    v_rest          0              mV    v_rest   potential that the leak aims at
    decay_input     True                          whether the synaptic current is scaled by 1 - d
    discretisation  exact                         of both decays (the coupling of i to v is the plain product above)
    order           synapse_first                 whether v hears i after this step's input (synapse_first) or
                                                  before (membrane_first: one step later)
    reset_at        spike                         "after_leak": the reset comes at the next step, after its leak
    ==============  =============  ====  =======  ===========================================================

    State: v, membrane potential (mV); i, synaptic current times resistance (mV), both after the step.

    Order: synapse, membrane, threshold, reset (of v only).

    Source: Neftci et al. 2019, eq. 3 and 4 (decay_input=False). snnTorch's Synaptic is decay_input=False with
    reset_at="after_leak"; Norse's LIF is discretisation="euler"; Norse shows i after its decay, ours before.
    See also: PscExpLIF (the coupled equations solved exactly), SynapticALIF.
    """

    tau_m: Ms = 20.0
    tau_syn: Ms = 5.0
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    discretisation: Discretisation = "exact"
    order: Literal["synapse_first", "membrane_first"] = "synapse_first"
    reset_at: Literal["spike", "after_leak"] = "spike"

    class State(NamedTuple):
        """State of a LIF neuron with a synaptic current."""

        v: Tensor  # membrane potential, mV
        i: Tensor  # synaptic current times membrane resistance, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_syn")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        i = decay(self.tau_syn, dt=dt, how=self.discretisation) * state.i + current
        heard = i if self.order == "synapse_first" else state.i
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d if self.decay_input else 1.0) * heard
        if self.reset_at == "after_leak":
            v = self.reset(v, self.spike(state.v - self.v_th), self.v_th)
        spikes = self.spike(v - self.v_th)
        if self.reset_at == "spike":
            v = self.reset(v, spikes, self.v_th)
        return self.State(v=v, i=i), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest, i=0.0)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(
        cls, *, c_decay: float = 0.5, v_decay: float = 0.75, v_threshold: float = 0.5, v_reset: float | None = 0.0,
        dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls CUBALIFNode. Args: as there; dt: length of its step, ms.

        Raises: ConfigError unless 0 < c_decay, v_decay < 1.
        """
        for name, value in (("c_decay", c_decay), ("v_decay", v_decay)):
            require_factor(
                f"SynapticLIF.like_spikingjelly({name})", value, mend="Use LIF for a synapse without memory."
            )
        return cls(
            tau_m=time_constant(v_decay, dt=dt), tau_syn=time_constant(c_decay, dt=dt), v_th=v_threshold,
            decay_input=False, reset=reset_of_spikingjelly(v_reset, detach=False), surrogate=Rectangle(),
        )  # fmt: skip

    @classmethod
    def like_snntorch(
        cls, *, alpha: float | Tensor, beta: float | Tensor, threshold: float | Tensor = 1.0,
        reset_mechanism: Mechanism = "subtract", reset_delay: bool = True,
        dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that snnTorch calls Synaptic. Args: as there; dt: length of its step, ms.

        Raises: ConfigError unless 0 < alpha, beta < 1. About reset_delay=False see LIF.like_snntorch.
        """
        for name, value in (("alpha", alpha), ("beta", beta)):
            require_factor(f"SynapticLIF.like_snntorch({name})", value, mend="Use LIF for a synapse without memory.")
        one_of("SynapticLIF.like_snntorch(reset_mechanism)", reset_mechanism, Mechanism)
        return cls(
            tau_m=time_constant(beta, dt=dt), tau_syn=time_constant(alpha, dt=dt), v_th=threshold, decay_input=False,
            strict=True, reset=reset_of_snntorch(reset_mechanism), reset_at="after_leak" if reset_delay else "spike",
            surrogate=ATan(),
        )  # fmt: skip

    @classmethod
    def like_norse(
        cls, *, tau_syn_inv: float = 200.0, tau_mem_inv: float = 100.0, v_leak: float = 0.0, v_th: float = 1.0,
        v_reset: float = 0.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that Norse calls LIF. Args: as there (times in 1/s; Norse's dt=0.001 is dt=1 here)."""
        return cls(
            tau_m=1000.0 / tau_mem_inv, tau_syn=1000.0 / tau_syn_inv, v_th=v_th, v_rest=v_leak, strict=True,
            discretisation="euler", reset=ToValue(v_reset=v_reset), surrogate=FastSigmoid(k=1.0),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        d, a = (decay(tau, dt=dt, how=self.discretisation) for tau in (self.tau_m, self.tau_syn))
        if not (isinstance(d, float) and isinstance(a, float) and isinstance(self.v_th, float)):
            return {}
        found: dict[str, str] = {}
        hard, at_once = hard_value(self.reset), self.reset_at == "spike"
        if self.order == "membrane_first":
            return found
        scaled = f", input times {1.0 - d:g}" if self.decay_input else ""
        if at_once and self.v_rest == 0 and mechanism_of(self.reset) != "none":
            found["SpikingJelly"] = (
                call("CUBALIFNode", c_decay=a, v_decay=d, v_threshold=self.v_th, v_reset=hard)
                + scaled + equality(self.strict, peer=False)
            )  # fmt: skip
        if self.v_rest == 0 and not hard:
            found["snnTorch"] = (
                call("Synaptic", alpha=a, beta=d, threshold=self.v_th, reset_mechanism=mechanism_of(self.reset),
                     reset_delay=not at_once)
                + scaled + equality(self.strict, peer=True)
            )  # fmt: skip
        if at_once and hard is not None and self.decay_input:
            found["Norse"] = (
                call("LIFParameters", tau_syn_inv=(1.0 - a) / dt * 1000.0, tau_mem_inv=(1.0 - d) / dt * 1000.0,
                     v_leak=self.v_rest, v_th=self.v_th, v_reset=hard)
                + f", dt={dt / 1000:g}" + equality(self.strict, peer=True)
            )  # fmt: skip
        return found
