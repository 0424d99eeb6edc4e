"""Izhikevich's simple neuron. Source: Izhikevich 2003, IEEE Trans. Neural Networks 14:1569."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.maths import sqrt
from ranvier.core.neuron import Neuron
from ranvier.core.reset import Reset, ToValue
from ranvier.core.units import Mv, Param
from ranvier.neurons.checks import check, require_reset


class Izhikevich(Neuron):
    """Izhikevich's simple neuron of 2003, by the forward Euler method.

    ::

        v' = 0.04 v^2 + 5 v + 140 - u + current
        u' = a (b v - u)
        at v >= v_peak: a spike, v = c, u = u + d

    =========  =========  ====  ======  ====================================================
    parameter  default    unit  symbol  meaning
    =========  =========  ====  ======  ====================================================
    a          0.02       1/ms  a       rate of the recovery
    b          0.2        1/ms  b       sensitivity of the recovery to v
    d          8          mV/ms d       jump of the recovery at a spike
    v_peak     30         mV            where the spike is cut and counted
    substeps   2                        Euler steps of v in one step (the paper: 2 of 0.5 ms)
    reset      to -65 mV        c       hard
    =========  =========  ====  ======  ====================================================

    ``Izhikevich.of(a, b, c, d)`` takes the paper's four numbers: regular spiking (0.02, 0.2, -65, 8), fast spiking
    (0.1, 0.2, -65, 2), chattering (0.02, 0.2, -50, 2), intrinsically bursting (0.02, 0.2, -55, 4), low-threshold
    (0.02, 0.25, -65, 2), thalamo-cortical (0.02, 0.25, -65, 0.05), resonator (0.1, 0.26, -65, 2).

    State: v, membrane potential (mV); u, recovery (mV/ms), both after the step. ``current`` in mV/ms.

    Order: v in its substeps, u with the new v, threshold, reset. v is cut at v_peak before u hears it; the published
    program lets it overshoot. Meant for dt = 1 ms with 2 substeps, or dt <= 0.25 ms with 1.

    Source: Izhikevich 2003, eq. 1 to 3 and figure 2. See also: Izhikevich2007, QIF, AdEx.
    """

    a: Param = 0.02
    b: Param = 0.2
    d: Param = 8.0
    v_peak: Mv = 30.0
    substeps: int = 2
    reset: Reset = ToValue(v_reset=-65.0)

    class State(NamedTuple):
        """State of an Izhikevich neuron."""

        v: Tensor  # membrane potential, mV
        u: Tensor  # recovery, mV/ms

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.substeps, bool) or not isinstance(self.substeps, int) or self.substeps < 1:
            raise ConfigError("Izhikevich.substeps", expected="a whole number >= 1", got=repr(self.substeps))
        require_reset(self, ToValue)
        check(self)

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        v, h = state.v, dt / self.substeps
        for _ in range(self.substeps):
            v = torch.clamp(v, max=self.v_peak) if v is not state.v else v
            v = v + h * (0.04 * v * v + 5.0 * v + 140.0 - state.u + current)
        spikes = self.spike(v - self.v_peak)
        v = torch.clamp(v, max=self.v_peak)
        u = state.u + dt * self.a * (self.b * v - state.u)
        return self.State(v=self.reset(v, spikes, self.v_peak), u=u + self.d * spikes), spikes

    def rest(self) -> State:
        # The lower zero of 0.04 v^2 + (5 - b) v + 140; where there is none (b > 0.267), the lowest point.
        slope = 5.0 - self.b
        square = slope * slope - 22.4
        square = square.clamp(min=0.0) if isinstance(square, Tensor) else max(square, 0.0)
        v = -(slope + sqrt(square)) / 0.08
        return self.State(v=v, u=self.b * v)  # type: ignore[arg-type] # numbers stand for tensors of any shape

    @classmethod
    def of(cls, a: float, b: float, c: float, d: float) -> Self:
        """Make a neuron of the paper's four numbers."""
        return cls(a=a, b=b, d=d, reset=ToValue(v_reset=c))
