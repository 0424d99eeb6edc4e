"""Exponential integrate-and-fire neuron. Source: Fourcaud-Trocme et al. 2003, J. Neurosci. 23:11628."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check, require_reset
from ranvier.neurons.exponential_rest import exponential_rest
from ranvier.neurons.peers import call, equality, hard_value


class EIF(Neuron):
    """Exponential integrate-and-fire neuron, by the forward Euler method.

    ::

        tau_m v' = -(v - v_rest) + delta_t exp((v - v_t) / delta_t) + current
        at v >= v_peak: a spike, v = v_reset

    =========  =========  ====  =======  ==================================================
    parameter  default    unit  symbol   meaning
    =========  =========  ====  =======  ==================================================
    tau_m      10         ms    tau_m    membrane time constant
    v_rest     -65        mV    E_L      resting potential
    v_t        -59.9      mV    V_T      where the upstroke starts
    delta_t    3.48       mV    Delta_T  sharpness of the upstroke
    v_peak     -30        mV             where the spike is cut and counted
    reset      to -68 mV        V_r      hard
    =========  =========  ====  =======  ==================================================

    State: v, membrane potential after the step (mV). ``current`` is R I, in mV: firing starts above
    v_t - v_rest - delta_t (the rheobase).

    Order: membrane, threshold, reset. The exponent is limited to 20 and v is cut at v_peak before the reset, so that
    nothing overflows. Use dt <= 0.1 ms.

    Source: Fourcaud-Trocme et al. 2003, eq. 1 and 8, table 1. See also: QIF, AdEx.
    """

    tau_m: Ms = 10.0
    v_rest: Mv = -65.0
    v_t: Mv = -59.9
    delta_t: Mv = 3.48
    v_peak: Mv = -30.0
    reset: Reset = ToValue(v_reset=-68.0)

    class State(NamedTuple):
        """State of an EIF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "delta_t")
        require_reset(self, ToValue)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        upstroke = self.delta_t * torch.exp(torch.clamp((state.v - self.v_t) / self.delta_t, max=20.0))
        v = state.v + dt / self.tau_m * (upstroke - (state.v - self.v_rest) + current)
        spikes = self.spike(v - self.v_peak)
        return self.State(v=self.reset(torch.clamp(v, max=self.v_peak), spikes, self.v_peak)), spikes

    def rest(self) -> State:
        v = exponential_rest(self.v_rest, v_t=self.v_t, delta_t=self.delta_t)
        return self.State(v=v)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(
        cls, *, tau: float = 2.0, delta_T: float = 1.0, theta_rh: float = 0.8, v_threshold: float = 1.0,
        v_rest: float = 0.0, v_reset: float | None = -0.1, detach_reset: bool = False, dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls EIFNode. Args: as there; dt: length of its step, ms.

        Raises: ConfigError for v_reset=None, a soft reset, which would leave v in the upstroke.
        """
        if v_reset is None:
            raise ConfigError("EIF.like_spikingjelly(v_reset)", expected="a potential", got="None, a soft reset")
        return cls(
            tau_m=tau * dt, v_rest=v_rest, v_t=theta_rh, delta_t=delta_T, v_peak=v_threshold, surrogate=Sigmoid(),
            reset=ToValue(v_reset=v_reset, detach=detach_reset),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        if not isinstance(self.tau_m, float):
            return {}
        words = call(
            "EIFNode", tau=self.tau_m / dt, delta_T=self.delta_t, theta_rh=self.v_t, v_threshold=self.v_peak,
            v_rest=self.v_rest, v_reset=hard_value(self.reset), detach_reset=self.reset.detach,
        )  # fmt: skip
        return {"SpikingJelly": words + equality(self.strict, peer=False)}
