"""Leaky integrate-and-fire neuron. Source: Lapicque 1907; Gerstner et al. 2014, Neuronal Dynamics, section 1.3."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import NoReset, Subtract, ToValue
from ranvier.core.surrogates.atan import ATan
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.surrogates.sigmoid import Sigmoid
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


class LIF(Neuron):
    """Leaky integrate-and-fire neuron.

    tau_m v' = -(v - v_rest) + current, over one step of dt::

        h = v_rest + d (v - v_rest) + g current     d = exp(-dt / tau_m) (exact) or 1 - dt / tau_m (euler)
        spikes = H(h - v_th)                        g = 1 - d if decay_input else 1
        v' = reset(h, spikes, v_th)

    ==============  =======  ====  =======  ==============================================================
    parameter       default  unit  symbol   meaning
    ==============  =======  ====  =======  ==============================================================
    tau_m           20       ms    tau_m    membrane time constant
    v_th            1        mV    v_th     threshold
    v_rest          0        mV    v_rest   potential that the leak aims at
    decay_input     True                    whether the input is a current (drives v towards v_rest + current)
                                            or a jump (each input is added to v in full)
    discretisation  exact                   of the leak: exact for a current that is constant in a step, or euler
    reset_at        spike                   when the reset comes, see below
    ==============  =======  ====  =======  ==============================================================

    State: v, membrane potential after the step (mV). ``current`` is R I, in mV.

    Order: leak and input, threshold, reset. ``reset_at`` moves the reset to the next step, as some peers have it:
    "before_leak" resets first and then leaks (STBP, tdBN, snnTorch's reset to zero): the same spikes as "spike", but
    the v that is seen after a spike is the one that crossed the threshold. "after_leak" leaks first (snnTorch's reset
    by subtraction), so that v_th is taken from a potential that has decayed already: other spikes.

    Source: Gerstner et al. 2014, eq. 1.5; the discrete forms: Fang et al. 2021, arXiv:2007.05785, eq. 2 to 4 (euler).
    See also: RefractoryLIF, PLIF (learned leak), SynapticLIF (with a synaptic current), IF (no leak).
    """

    tau_m: Ms = 20.0
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    discretisation: Discretisation = "exact"
    reset_at: Literal["spike", "before_leak", "after_leak"] = "spike"

    class State(NamedTuple):
        """State of a LIF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        v = state.v
        if self.reset_at == "before_leak":
            v = self.reset(v, self.spike(v - self.v_th), self.v_th)
        v = self.v_rest + d * (v - self.v_rest) + (1.0 - d if self.decay_input else 1.0) * current
        if self.reset_at == "after_leak":
            v = self.reset(v, self.spike(state.v - self.v_th), self.v_th)
        spikes = self.spike(v - self.v_th)
        if self.reset_at == "spike":
            v = self.reset(v, spikes, self.v_th)
        return self.State(v=v), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(
        cls, *, tau: float | Tensor = 2.0, decay_input: bool = True, v_threshold: float | Tensor = 1.0,
        v_reset: float | None = 0.0, detach_reset: bool = False, dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls LIFNode. Args: as there; dt: length of its step, ms."""
        return cls(
            tau_m=tau * dt, v_th=v_threshold, v_rest=0.0 if v_reset is None else v_reset, decay_input=decay_input,
            discretisation="euler", reset=reset_of_spikingjelly(v_reset, detach=detach_reset), surrogate=Sigmoid(),
        )  # fmt: skip

    @classmethod
    def like_snntorch(
        cls, *, beta: float | Tensor, threshold: float | Tensor = 1.0, reset_mechanism: Mechanism = "subtract",
        reset_delay: bool = True, dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that snnTorch calls Leaky. Args: as there; dt: length of its step, ms.

        Without ``reset_delay`` and with reset_mechanism "subtract", snnTorch holds back the threshold for one step more
        where the potential is still above it after a reset (v > 2 v_th before). That is not modelled.

        Raises: ConfigError unless 0 < beta < 1.
        """
        require_factor("LIF.like_snntorch(beta)", beta, mend="Use IF.like_snntorch(...) for beta = 1.")
        one_of("LIF.like_snntorch(reset_mechanism)", reset_mechanism, Mechanism)
        after: Literal["after_leak", "before_leak"] = "after_leak" if reset_mechanism == "subtract" else "before_leak"
        return cls(
            tau_m=time_constant(beta, dt=dt), v_th=threshold, decay_input=False, strict=True, surrogate=ATan(),
            reset=reset_of_snntorch(reset_mechanism), reset_at=after if reset_delay else "spike",
        )  # fmt: skip

    @classmethod
    def like_norse(
        cls, *, tau_mem_inv: float = 100.0, v_leak: float = 0.0, v_th: float = 1.0, v_reset: float = 0.0,
        reset_method: Literal["value", "subtract"] = "value",
    ) -> Self:  # fmt: skip
        """Make the neuron that Norse calls LIFBox. Args: as there (tau_mem_inv in 1/s; Norse's dt=0.001 is dt=1 here).

        Norse's LIF has a synaptic current: see SynapticLIF.like_norse.
        """
        one_of("LIF.like_norse(reset_method)", reset_method, Literal["value", "subtract"])
        reset = ToValue(v_reset=v_reset) if reset_method == "value" else Subtract()
        return cls(
            tau_m=1000.0 / tau_mem_inv, v_th=v_th, v_rest=v_leak, discretisation="euler", strict=True, reset=reset,
            surrogate=FastSigmoid(k=1.0),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        if not isinstance(d, float) or not isinstance(self.v_th, float):
            return {}
        gain = 1.0 - d if self.decay_input else 1.0
        found: dict[str, str] = {}
        hard = hard_value(self.reset)
        if not isinstance(self.reset, NoReset) and self.reset_at == "spike" and self.v_rest == (hard or 0.0):
            found["SpikingJelly"] = call(
                "LIFNode", tau=1.0 / (1.0 - d), decay_input=self.decay_input, v_threshold=self.v_th, v_reset=hard,
                detach_reset=self.reset.detach,
            ) + equality(self.strict, peer=False)  # fmt: skip
        if self.v_rest == 0 and not hard and self.reset_at != ("after_leak" if hard == 0 else "before_leak"):
            found["snnTorch"] = call(
                "Leaky", beta=d, threshold=self.v_th, reset_mechanism=mechanism_of(self.reset),
                reset_delay=self.reset_at != "spike",
            ) + (f", input times {gain:g}" if self.decay_input else "") + equality(self.strict, peer=True)  # fmt: skip
        if self.decay_input and self.reset_at == "spike" and not isinstance(self.reset, NoReset):
            found["Norse"] = call(
                "LIFBoxParameters", tau_mem_inv=(1.0 - d) / dt * 1000.0, v_leak=self.v_rest, v_th=self.v_th,
                **({"reset_method": "reset_subtract"} if hard is None else {"v_reset": hard}),
            ) + f", dt={dt / 1000:g}" + equality(self.strict, peer=True)  # fmt: skip
        return found
