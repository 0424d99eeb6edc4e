"""Meta-dynamic neuron: second-order dynamics with learnable constants. Source: Zhang et al. 2021, arXiv:2106.07854."""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Param
from ranvier.neurons.checks import check, require_reset


class Meta(Neuron):
    """Meta-dynamic neuron: a quadratic membrane with a recovery whose constants are learned with the weights.

    By the forward Euler method, both equations from the old state; time and potential have no unit::

        v' = v^2 - v - u + current          then v is kept within [-v_max, v_max]
        u' = theta_v v - theta_u u
        at v >= v_th: a spike, v = theta_r, u = u + theta_s

    =========  =========  ====  =======  ==================================================
    parameter  default    unit  symbol   meaning
    =========  =========  ====  =======  ==================================================
    theta_v    -0.172     1     theta_v  what v adds to the recovery
    theta_u    0.529      1     theta_u  decay of the recovery
    theta_s    0.132      1     theta_s  jump of the recovery at a spike
    v_th       0.5        1     v_th     threshold
    v_max      5          1              bound of v: v^2 diverges for strong currents
    reset      to 0.021   1     theta_r  hard
    =========  =========  ====  =======  ==================================================

    State: v, membrane potential; u, recovery; both after the step. ``dt`` is the Euler step. Layers learn the four
    constants (``Meta.LEARNED``).

    Order: v and u from the old state, threshold, reset.

    The equations are those of the source; the defaults are quoted from memory of it and could not be checked, and v_max
    is ours. Keep theta_r (``reset.v_reset``) below v_th: a neuron that is reset above its threshold never rests.

    Source: Zhang, Zhang, Jia, Cheng and Xu 2021. See also: Izhikevich, QIF.
    """

    LEARNED: ClassVar[tuple[str, ...]] = ("theta_v", "theta_u", "theta_s", "reset.v_reset")

    theta_v: Param = -0.172
    theta_u: Param = 0.529
    theta_s: Param = 0.132
    v_th: Param = 0.5
    v_max: Param = 5.0
    reset: Reset = ToValue(v_reset=0.021)

    class State(NamedTuple):
        """State of a meta-dynamic neuron."""

        v: Tensor  # membrane potential
        u: Tensor  # recovery

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "v_max")
        require_reset(self, ToValue)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        v = state.v + dt * (state.v * state.v - state.v - state.u + current)
        v = torch.clamp(v, -self.v_max, self.v_max)  # type: ignore[arg-type] # numbers or tensors, both alike
        u = state.u + dt * (self.theta_v * state.v - self.theta_u * state.u)
        spikes = self.spike(v - self.v_th)
        return self.State(v=self.reset(v, spikes, self.v_th), u=u + self.theta_s * spikes), spikes
