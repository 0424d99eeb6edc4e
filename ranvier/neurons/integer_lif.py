"""Integer LIF neuron with graded spikes. Source: Luo et al. 2024, SpikeYOLO, ECCV, arXiv:2407.20708."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, Subtract
from ranvier.core.units import Ms, Mv
from ranvier.neurons.checks import check, require_reset
from ranvier.neurons.discretisation import Discretisation, decay
from ranvier.neurons.peers import call


class IntegerLIF(Neuron):
    """Integer LIF (I-LIF): sends a number of spikes, 0 to levels, in one step; on a chip they unfold into binary ones.

    ::

        h = v_rest + d (v - v_rest) + g current
        spikes = round(min(max((h - v_rest) / v_th, 0), levels))        half to even
        v' = h - v_th spikes

    with d and g as in LIF. Backwards, d spikes / d h = 1 / v_th where 0 <= (h - v_rest) / v_th <= levels, else 0.

    ==============  ========  ====  =======  =========================================================
    parameter       default   unit  symbol   meaning
    ==============  ========  ====  =======  =========================================================
    tau_m           2         ms    tau_m    membrane time constant
    v_th            1         mV    v_th     potential that one spike stands for
    v_rest          0         mV    v_rest   potential that the leak aims at
    levels          4               D        most spikes in a step; 1 to 255
    decay_input     False                    a current (True) or jumps of v (False, as in the paper)
    discretisation  exact                    of the leak
    reset           Subtract                 the only one: each spike takes v_th with it
    ==============  ========  ====  =======  =========================================================

    State: v, membrane potential after the step (mV). The surrogate is the straight-through window above.

    Order: leak and input, rounding, reset. Because of the rounding a step fires from h = v_th / 2 on.

    Source: Luo et al. 2024, eq. 6 to 9 (decay factor 0.25, D = 4). See also: LIF.
    """

    tau_m: Ms = 2.0
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    levels: int = 4
    decay_input: bool = False
    discretisation: Discretisation = "exact"
    reset: Reset = Subtract()

    class State(NamedTuple):
        """State of an integer LIF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "v_th")
        if isinstance(self.levels, bool) or not isinstance(self.levels, int) or not 1 <= self.levels <= 255:
            raise ConfigError("IntegerLIF.levels", expected="a whole number from 1 to 255", got=repr(self.levels))
        require_reset(self, Subtract)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        v = self.v_rest + d * (state.v - self.v_rest) + (1.0 - d if self.decay_input else 1.0) * current
        graded = torch.clamp((v - self.v_rest) / self.v_th, min=0.0, max=float(self.levels))
        # The sum is the rounded number to the last bit (Sterbenz), and its derivative that of the clamp.
        spikes = graded + (torch.round(graded) - graded).detach()
        return self.State(v=self.reset(v, spikes, self.v_th)), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def like_spikingjelly(
        cls, *, tau: float = 4.0 / 3.0, v_threshold: float = 1.0, max_spike_count: int = 4, detach_reset: bool = False,
        dt: float = 1.0,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls ILIFNode with MultiLevelSpikeCount. Args: as there; dt: in ms."""
        return cls(
            tau_m=tau * dt, v_th=v_threshold, levels=max_spike_count, discretisation="euler",
            reset=Subtract(detach=detach_reset),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:
        d = decay(self.tau_m, dt=dt, how=self.discretisation)
        if not isinstance(d, float) or not isinstance(self.v_th, float) or self.v_rest != 0:
            return {}
        words = call("ILIFNode", tau=1.0 / (1.0 - d), v_threshold=self.v_th, detach_reset=self.reset.detach)
        scaled = f", input times {1.0 - d:g}" if self.decay_input else ""
        return {"SpikingJelly": f"{words} with MultiLevelSpikeCount({self.levels}){scaled}"}
