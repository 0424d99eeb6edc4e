"""Resonate-and-fire neuron. Source: Izhikevich 2001, Neural Networks 14:883."""

import math
from typing import NamedTuple, Self

from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.maths import cos, exp, sin
from ranvier.core.neuron import Neuron
from ranvier.core.params import require_positive
from ranvier.core.reset import Reset, ToValue
from ranvier.core.surrogates.sigmoid import Sigmoid
from ranvier.core.units import Hz, Ms, Mv
from ranvier.neurons.checks import check


class ResonateAndFire(Neuron):
    """Resonate-and-fire neuron: a damped oscillator with a threshold, solved exactly.

    z = u + i v, z' = (-1 / tau_m + i omega) z + current, omega = 2 pi frequency, over one step of dt::

        z' = E z + K current      E = exp((-1 / tau_m + i omega) dt)
        spikes = H(v' - v_th)     K = (E - 1) / (-1 / tau_m + i omega) if decay_input else 1
        v' = reset(v', spikes, v_th);  u' = 0 where it fired, if reset_u

    ===========  =======  ====  ======  =============================================================
    parameter    default  unit  symbol  meaning
    ===========  =======  ====  ======  =============================================================
    tau_m        50       ms    -1/b    time constant of the damping
    frequency    20       Hz            natural frequency, omega / 2 pi
    v_th         1        mV            threshold of the imaginary part
    decay_input  True                   a current, constant in the step (True), or jumps of u (False)
    reset_u      True                   whether a spike sets u to 0
    reset        to 1 mV                hard: with reset_u this is the paper's z = i
    ===========  =======  ====  ======  =============================================================

    State: u, current-like real part, and v, voltage-like imaginary part, both after the step (mV). ``current`` in
    mV/ms (decay_input) or mV.

    Order: oscillator, threshold (of v), reset. An input in step with the oscillation is amplified, others cancel.

    Source: Izhikevich 2001, eq. 1 to 3. See also: BalancedResonateAndFire.
    """

    tau_m: Ms = 50.0
    frequency: Hz = 20.0
    v_th: Mv = 1.0
    decay_input: bool = True
    reset_u: bool = True
    reset: Reset = ToValue(v_reset=1.0)
    strict: bool = True  # after a spike z = i lies on the threshold

    class State(NamedTuple):
        """State of a resonate-and-fire neuron."""

        u: Tensor  # real part, current-like, mV
        v: Tensor  # imaginary part, voltage-like, mV

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "frequency")
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        b, omega = -1.0 / self.tau_m, self.frequency * (2.0 * math.pi / 1000.0)
        size = exp(b * dt)
        real, imaginary = size * cos(omega * dt), size * sin(omega * dt)
        u = real * state.u - imaginary * state.v
        v = imaginary * state.u + real * state.v
        if self.decay_input:
            square = b * b + omega * omega
            u = u + ((real - 1.0) * b + imaginary * omega) / square * current
            v = v + (imaginary * b - (real - 1.0) * omega) / square * current
        else:
            u = u + current
        spikes = self.spike(v - self.v_th)
        if self.reset_u:
            u = (1.0 - (spikes.detach() if self.reset.detach else spikes)) * u
        return self.State(u=u, v=self.reset(v, spikes, self.v_th)), spikes

    @classmethod
    def like_spikingjelly(
        cls, *, b: float = -0.2, omega: float = 1.0, v_threshold: float = 1.0,
        v_reset: float | None = 0.0, detach_reset: bool = False,
    ) -> Self:  # fmt: skip
        """Make the neuron that SpikingJelly calls RAFNode. Args: as there (1/ms, rad/ms); its dt is that of the run.

        Raises: ConfigError for b >= 0, or for v_reset=None, which is not modelled.
        """
        if not b < 0:
            raise ConfigError("ResonateAndFire.like_spikingjelly(b)", expected="a number < 0", got=repr(b))
        if v_reset is None:
            where = "ResonateAndFire.like_spikingjelly(v_reset)"
            raise ConfigError(where, expected="a potential", got="None, a soft reset")
        return cls(
            tau_m=-1.0 / b, frequency=omega * 1000.0 / (2.0 * math.pi), v_th=v_threshold, decay_input=False,
            reset_u=False, reset=ToValue(v_reset=v_reset, detach=detach_reset), strict=False, surrogate=Sigmoid(),
        )  # fmt: skip
