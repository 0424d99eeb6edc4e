"""Leaky integrate-and-fire neuron. Source: Lapicque 1907; Gerstner et al. 2014, Neuronal Dynamics, section 1.3."""

from typing import Literal, NamedTuple

from torch import Tensor

from ranvier.core.maths import exp
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.units import Ms, Mv


class LIF(Neuron):
    """Leaky integrate-and-fire neuron (placeholder page)."""

    tau_m: Ms = 20.0
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    discretisation: Literal["exact", "euler"] = "exact"

    class State(NamedTuple):
        """State of a LIF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m")

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        decay = exp(-dt / self.tau_m) if self.discretisation == "exact" else 1.0 - dt / self.tau_m
        gain = 1.0 - decay if self.decay_input else 1.0
        v = self.v_rest + decay * (state.v - self.v_rest) + gain * current
        spikes = self.spike(v - self.v_th)
        return self.State(v=self.reset(v, spikes, self.v_th)), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type]
