"""Leaky integrator without threshold, for read-outs. Source: Bellec et al. 2020, Nat. Commun. 11:3625, eq. 9."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import NoReset, Reset
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check
from ranvier.neurons.discretisation import Discretisation, decay
from ranvier.neurons.peers import call


class LeakyIntegrator(Neuron):
    """Leaky integrator: a membrane that never fires. Its output is its potential.

    ::

        v' = v_rest + d (v - v_rest) + g current        d = exp(-dt / tau_m) or 1 - dt / tau_m
        output = v'                                     g = 1 - d if decay_input else 1

    ==============  =======  ====  =======  ======================================================
    parameter       default  unit  symbol   meaning
    ==============  =======  ====  =======  ======================================================
    tau_m           20       ms    tau_m    time constant
    v_rest          0        mV    v_rest   potential that the leak aims at
    decay_input     True                    a current (True) or jumps of v (False)
    discretisation  exact                   of the leak
    ==============  =======  ====  =======  ======================================================

    State: v, potential after the step (mV). Surrogate, reset and strictness have nothing to act on.

    Source: Bellec et al. 2020, eq. 9. See also: LIF.
    """

    tau_m: Ms = 20.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    discretisation: Discretisation = "exact"
    reset: Reset = NoReset()

    class State(NamedTuple):
        """State of a leaky integrator."""

        v: Tensor  # potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d if self.decay_input else 1.0) * current
        return self.State(v=v), v

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(cls, *, tau: float | Tensor = 2.0, dt: float = 1.0) -> Self:
        """Make the neuron that SpikingJelly calls NonSpikingLIFNode. Args: as there; dt: length of its step, ms."""
        return cls(tau_m=tau * dt, discretisation="euler")

    @classmethod
    def like_norse(cls, *, tau_mem_inv: float = 100.0, v_leak: float = 0.0) -> Self:
        """Make the neuron that Norse calls LIBox. Args: as there (in 1/s; Norse's dt=0.001 is dt=1 here)."""
        return cls(tau_m=1000.0 / tau_mem_inv, v_rest=v_leak, discretisation="euler")

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        if not isinstance(d, float):
            return {}
        found: dict[str, str] = {}
        if self.decay_input:
            words = call("LIBoxParameters", tau_mem_inv=(1.0 - d) / dt * 1000.0, v_leak=self.v_rest)
            found["Norse"] = f"{words}, dt={dt / 1000:g}"
        if self.v_rest == 0:
            scaled = f", input times {1.0 - d:g}" if self.decay_input else ""
            found["snnTorch"] = call("Leaky", beta=d, reset_mechanism="none") + scaled + ", its mem as output"
            if self.decay_input:
                found["SpikingJelly"] = call("NonSpikingLIFNode", tau=1.0 / (1.0 - d))
        return found
