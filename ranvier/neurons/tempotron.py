"""Tempotron: a weighted sum of synaptic potentials. Source: Guetig and Sompolinsky 2006, Nat. Neurosci. 9:420."""

from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.maths import exp, log
from ranvier.core.neuron import Neuron
from ranvier.core.params import require, require_positive
from ranvier.core.reset import NoReset, Reset
from ranvier.core.units import Ms
from ranvier.neurons.checks import check


class Tempotron(Neuron):
    """Tempotron: each input spike adds a double-exponential potential; the output is the membrane, unreset.

    ::

        V(t) = sum_i w_i sum_{t_i <= t} K(t - t_i)
        K(x) = v_0 (exp(-x / tau_m) - exp(-x / tau_syn))     max K = 1

    =========  =======  ====  =======  ============================
    parameter  default  unit  symbol   meaning
    =========  =======  ====  =======  ============================
    tau_m      15       ms    tau      membrane time constant
    tau_syn    3.75     ms    tau_s    synaptic time constant
    =========  =======  ====  =======  ============================

    ``current`` is sum_i w_i x_i, the weighted input spikes of the step. v_0 = 1 / (exp(-x* / tau_m) -
    exp(-x* / tau_syn)) with x* = tau_m tau_syn / (tau_m - tau_syn) ln(tau_m / tau_syn), where K peaks: 2.1165 and
    6.931 ms for the defaults. It decides for a class if max_t V >= 1; the paper's rule is ``TempotronLoss`` with plain
    gradient descent. Surrogate, reset and strictness have nothing to act on: the paper's shunting after a spike, which
    does not change the decision, is left out.

    State: m and s, the two exponentials (1).

    Source: Guetig and Sompolinsky 2006, eq. 1. See also: PscExpLIF, LeakyIntegrator.
    """

    tau_m: Ms = 15.0
    tau_syn: Ms = 3.75
    reset: Reset = NoReset()

    class State(NamedTuple):
        """State of a tempotron."""

        m: Tensor  # the slow exponential
        s: Tensor  # the fast exponential

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "tau_m", "tau_syn")
        check(self)
        require(
            self, "tau_syn", torch.as_tensor(self.tau_syn) != torch.as_tensor(self.tau_m), "another number than tau_m"
        )

    @property
    def peak(self) -> float | Tensor:
        """When the kernel peaks, ms after the spike."""
        m, s = self.tau_m, self.tau_syn
        return m * s / (m - s) * log(m / s)

    @property
    def v_0(self) -> float | Tensor:
        """The factor that makes the peak 1."""
        return 1.0 / (exp(-self.peak / self.tau_m) - exp(-self.peak / self.tau_syn))

    def step(self, state: State, current: Tensor, *, dt: float) -> tuple[State, Tensor]:
        scaled = self.v_0 * current
        m = exp(-dt / self.tau_m) * state.m + scaled
        s = exp(-dt / self.tau_syn) * state.s + scaled
        return self.State(m=m, s=s), m - s
