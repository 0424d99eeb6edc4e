"""Integrate-and-fire neuron without leak. Source: Lapicque 1907; Abbott 1999, Brain Res. Bull. 50:303."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.reset import NoReset, ToValue
from ranvier.core.surrogates.atan import ATan
from ranvier.core.surrogates.fast_sigmoid import FastSigmoid
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.core.units import Mv
from ranvier.neurons.checks import check, one_of
from ranvier.neurons.peers import (
    Mechanism,
    call,
    equality,
    hard_value,
    mechanism_of,
    reset_of_snntorch,
    reset_of_spikingjelly,
)


class IF(Neuron):
    """Integrate-and-fire neuron: a perfect integrator with a threshold.

    ::

        h = v + current
        spikes = H(h - v_th)
        v' = reset(h, spikes, v_th)

    =========  =======  ====  ======  =========================================
    parameter  default  unit  symbol  meaning
    =========  =======  ====  ======  =========================================
    v_th       1        mV    v_th    threshold
    v_rest     0        mV            potential before the first input
    =========  =======  ====  ======  =========================================

    State: v, membrane potential after the step (mV). ``current`` is the change of v that a step's input makes (mV):
    charge over capacitance, whatever dt is.

    Order: input, threshold, reset. With the reset by subtraction and a constant current I the mean of the spikes is
    I / v_th up to one spike in T steps, which is what conversion from rate networks builds on.

    Source: Gerstner et al. 2014, Neuronal Dynamics, section 1.3. See also: LIF.
    """

    v_th: Mv = 1.0
    v_rest: Mv = 0.0

    class State(NamedTuple):
        """State of an IF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:  # noqa: ARG002 - see current
        v = state.v + current
        spikes = self.spike(v - self.v_th)
        return self.State(v=self.reset(v, spikes, self.v_th)), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(
        cls, *, v_threshold: float | Tensor = 1.0, v_reset: float | None = 0.0, detach_reset: bool = False,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls IFNode. Args: as there."""
        return cls(
            v_th=v_threshold, v_rest=0.0 if v_reset is None else v_reset, surrogate=Sigmoid(),
            reset=reset_of_spikingjelly(v_reset, detach=detach_reset),
        )  # fmt: skip

    @classmethod
    def like_snntorch(
        cls, *, threshold: float | Tensor = 1.0, reset_mechanism: Mechanism = "subtract",
    ) -> Self:  # fmt: skip
        """Make the neuron that snnTorch calls Leaky with beta=1. Args: as there.

        Without leak it makes no difference to the spikes whether the reset comes at once or at the next step, except
        where v exceeds twice the threshold: see ``LIF.like_snntorch``.
        """
        one_of("IF.like_snntorch(reset_mechanism)", reset_mechanism, Mechanism)
        return cls(v_th=threshold, reset=reset_of_snntorch(reset_mechanism), strict=True, surrogate=ATan())

    @classmethod
    def like_norse(cls, *, v_th: float = 1.0, v_reset: float = 0.0) -> Self:
        """Make the neuron that Norse calls IAF. Args: as there."""
        return cls(v_th=v_th, v_rest=v_reset, reset=ToValue(v_reset=v_reset), strict=True, surrogate=FastSigmoid(k=1.0))

    def equivalents(self, *, dt: float) -> Mapping[str, str]:  # noqa: ARG002 - the same for every step
        if not isinstance(self.v_th, float):
            return {}
        found: dict[str, str] = {}
        hard = hard_value(self.reset)
        if not isinstance(self.reset, NoReset) and self.v_rest == (hard or 0.0):
            found["SpikingJelly"] = call(
                "IFNode", v_threshold=self.v_th, v_reset=hard, detach_reset=self.reset.detach
            ) + equality(self.strict, peer=False)
        if self.v_rest == 0 and not hard:
            found["snnTorch"] = call(
                "Leaky", beta=1.0, threshold=self.v_th, reset_mechanism=mechanism_of(self.reset)
            ) + equality(self.strict, peer=True)
        if hard is not None and self.v_rest == hard:
            found["Norse"] = call("IAFParameters", v_th=self.v_th, v_reset=hard) + equality(self.strict, peer=True)
        return found
