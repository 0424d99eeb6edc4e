"""Parametric leaky integrate-and-fire neuron. Source: Fang et al. 2021, ICCV, arXiv:2007.05785."""

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.maths import log, sigmoid
from ranvier.core.neuron import Neuron
from ranvier.core.reset import NoReset, Reset, ToValue
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.core.units import Mv, Param
from ranvier.neurons.checks import check
from ranvier.neurons.peers import call, equality, hard_value, reset_of_spikingjelly


class PLIF(Neuron):
    """Parametric LIF: the leak k = sigmoid(w) is learned, one for a layer or one for each neuron.

    ::

        h = v + k (current - (v - v_rest))          if decay_input
        h = v - k (v - v_rest) + current            otherwise
        spikes = H(h - v_th)
        v' = reset(h, spikes, v_th)

    ===========  ============  ====  ======  =======================================================
    parameter    default       unit  symbol  meaning
    ===========  ============  ====  ======  =======================================================
    w            0             1     w       leak before the sigmoid; 0 is a time constant of 2 steps
    v_th         1             mV    v_th    threshold
    v_rest       0             mV    v_rest  potential that the leak aims at
    decay_input  True                        whether the input is scaled by k too
    reset_at     spike                       when the reset comes: in the step of its spike, or in the next one
                                             "before_leak" or "after_leak"; see LIF
    reset        to 0, detached              reset of the paper
    ===========  ============  ====  ======  =======================================================

    State: v, membrane potential after the step (mV). The leak is that of one step, whatever dt is.
    ``PLIF.of_tau(2.0)`` starts from a time constant in steps: w = -ln(tau - 1). Layers learn ``w`` (``PLIF.LEARNED``).

    Order: leak and input, threshold, reset.

    Source: Fang et al. 2021, eq. 9 and 10. See also: LIF with discretisation="euler" (1 / tau = k).
    """

    LEARNED: ClassVar[tuple[str, ...]] = ("w",)

    w: Param = 0.0
    v_th: Mv = 1.0
    v_rest: Mv = 0.0
    decay_input: bool = True
    reset_at: Literal["spike", "before_leak", "after_leak"] = "spike"
    reset: Reset = ToValue(detach=True)

    class State(NamedTuple):
        """State of a PLIF neuron."""

        v: Tensor  # membrane potential, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:  # noqa: ARG002 - k is per step
        k, v = sigmoid(self.w), state.v
        if self.reset_at == "before_leak":
            v = self.reset(v, self.spike(v - self.v_th), self.v_th)
        if self.decay_input:
            v = v + k * (current - (v - self.v_rest))
        else:
            v = v - k * (v - self.v_rest) + current
        if self.reset_at == "after_leak":
            v = self.reset(v, self.spike(state.v - self.v_th), self.v_th)
        spikes = self.spike(v - self.v_th)
        if self.reset_at == "spike":
            v = self.reset(v, spikes, self.v_th)
        return self.State(v=v), spikes

    def rest(self) -> State:
        return self.State(v=self.v_rest)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def of_tau(cls, tau: float | Tensor = 2.0, **options: object) -> Self:
        """Make a neuron whose leak starts at 1 / tau, tau > 1 in steps. Raises: ConfigError for another tau."""
        if not bool((torch.as_tensor(tau) > 1).all()):
            raise ConfigError("PLIF.of_tau(tau)", expected="a time constant > 1 step", got=f"{tau}")
        return cls(w=-log(tau - 1.0), **options)  # type: ignore[arg-type]

    @classmethod
    def like_spikingjelly(
        cls, *, init_tau: float = 2.0, decay_input: bool = True, v_threshold: float | Tensor = 1.0,
        v_reset: float | None = 0.0, detach_reset: bool = False,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls ParametricLIFNode. Args: as there."""
        return cls.of_tau(
            init_tau, decay_input=decay_input, v_th=v_threshold, v_rest=0.0 if v_reset is None else v_reset,
            reset=reset_of_spikingjelly(v_reset, detach=detach_reset), surrogate=Sigmoid(),
        )  # fmt: skip

    def equivalents(self, *, dt: float) -> Mapping[str, str]:  # noqa: ARG002 - the same for every step
        hard, k = hard_value(self.reset), sigmoid(self.w)
        if not isinstance(k, float) or not isinstance(self.v_th, float) or isinstance(self.reset, NoReset):
            return {}
        if self.v_rest != (hard or 0.0) or self.reset_at != "spike":
            return {}
        words = call(
            "ParametricLIFNode", init_tau=1.0 / k, decay_input=self.decay_input, v_threshold=self.v_th, v_reset=hard,
            detach_reset=self.reset.detach,
        )  # fmt: skip
        return {"SpikingJelly": words + equality(self.strict, peer=False)}
