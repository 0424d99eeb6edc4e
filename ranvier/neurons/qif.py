"""Quadratic integrate-and-fire neuron. Source: Latham et al. 2000, J. Neurophysiol. 83:808."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.core.units import Ms, Mv, Param
from ranvier.neurons.checks import check, require_reset
from ranvier.neurons.peers import call, equality, hard_value


class QIF(Neuron):
    """Quadratic integrate-and-fire neuron, by the forward Euler method.

    ::

        tau_m v' = a_0 (v - v_rest) (v - v_c) + current
        at v >= v_peak: a spike, v = v_reset

    =========  =========  ====  =======  ==================================================
    parameter  default    unit  symbol   meaning
    =========  =========  ====  =======  ==================================================
    tau_m      10         ms    tau_m    membrane time constant
    a_0        0.04       1/mV  a_0      curvature
    v_rest     -65        mV    v_rest   resting potential
    v_c        -50        mV    v_c      critical potential, above which v runs away
    v_peak     0          mV             where the spike is cut and counted
    reset      to -70 mV        v_r      hard
    =========  =========  ====  =======  ==================================================

    State: v, membrane potential after the step (mV). ``current`` is R I, in mV: firing starts above
    a_0 (v_c - v_rest)^2 / 4. For v_rest = v_c = 0, tau_m = a_0 = 1 and far peak and reset the rate is sqrt(I) / pi.

    Order: membrane, threshold, reset. v is cut at v_peak before the reset, so that nothing overflows. Use dt <= 0.1 ms.

    Source: Gerstner et al. 2014, Neuronal Dynamics, section 5.3, eq. 5.16. See also: EIF, Izhikevich.
    """

    tau_m: Ms = 10.0
    a_0: Param = 0.04
    v_rest: Mv = -65.0
    v_c: Mv = -50.0
    v_peak: Mv = 0.0
    reset: Reset = ToValue(v_reset=-70.0)

    class State(NamedTuple):
        """State of a QIF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "a_0")
        require_reset(self, ToValue)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        drive = self.a_0 * (state.v - self.v_rest) * (state.v - self.v_c)
        v = state.v + dt / self.tau_m * (drive + current)
        spikes = self.spike(v - self.v_peak)
        return self.State(v=self.reset(torch.clamp(v, max=self.v_peak), spikes, self.v_peak)), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(
        cls, *, tau: float = 2.0, v_c: float = 0.8, a0: float = 1.0, v_threshold: float = 1.0, v_rest: float = 0.0,
        v_reset: float | None = -0.1, detach_reset: bool = False, dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls QIFNode. Args: as there; dt: length of its step, ms.

        Raises: ConfigError for v_reset=None, a soft reset, which would leave v in the upstroke.
        """
        if v_reset is None:
            raise ConfigError("QIF.like_spikingjelly(v_reset)", expected="a potential", got="None, a soft reset")
        return cls(
            tau_m=tau * dt, a_0=a0, v_rest=v_rest, v_c=v_c, v_peak=v_threshold, surrogate=Sigmoid(),
            reset=ToValue(v_reset=v_reset, detach=detach_reset),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        if not isinstance(self.tau_m, float):
            return {}
        words = call(
            "QIFNode", tau=self.tau_m / dt, v_c=self.v_c, a0=self.a_0, v_threshold=self.v_peak, v_rest=self.v_rest,
            v_reset=hard_value(self.reset), detach_reset=self.reset.detach,
        )  # fmt: skip
        return {"SpikingJelly": words + equality(self.strict, peer=False)}
