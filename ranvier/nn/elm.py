"""Expressive Leaky Memory: a neuron of leaky synapses, branches, and leaky memory units that a small network updates.

Source: Spieler, Rahaman, Martius, Schoelkopf and Levina 2024, ICLR, arXiv:2306.16922.
Axes: T time, B batch, X inputs, D branches, S synapses, M memory units, H hidden units, Y outputs.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.kernels import plan, run
from ranvier.kernels.memory import Update
from ranvier.kernels.memory import run as run_memory
from ranvier.neurons import LeakyIntegrator
from ranvier.nn.branches import Branches
from ranvier.nn.learned import checked_dt
from ranvier.nn.stateful import Stateful

_EDGE = 1e-6  # how close to its bounds a time constant may start; at a bound its logit is infinite


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """How fast a neuron of expressive leaky memory forgets.

    Args:
        tau_s: of the synapses, ms. tau_min, tau_max: ms, between which the time constants of the memory units start,
            equidistant on a logarithmic scale (one alone starts in the middle), and between which they stay.
        learn: whether they are learned.
        strength: lambda, how far one update can move a memory unit.
        version: of the update's gain, see ``ELM``.
    """

    tau_s: float = 5.0
    tau_min: float = 1.0
    tau_max: float = 150.0
    learn: bool = False
    strength: float = 5.0
    version: Literal["v1", "v2"] = "v1"

    def __post_init__(self) -> None:
        for name in ("tau_s", "strength"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Leaks.{name}", expected="a number > 0", got=str(getattr(self, name)))
        if not 0 < self.tau_min < self.tau_max:
            expected, got = "0 < tau_min < tau_max", f"{self.tau_min:g} and {self.tau_max:g} ms"
            raise ConfigError("Leaks.tau_min", expected=expected, got=got)
        if self.version not in ("v1", "v2"):
            raise ConfigError("Leaks.version", expected='"v1" or "v2"', got=repr(self.version))


class ELM(Stateful):
    """One neuron of expressive leaky memory, or one layer of a long-range network.

    ::

        b[t] = kappa_s b[t-1] + sum over the branch's synapses of relu(w_s) x[t]     kappa_s = exp(-dt / tau_s)
        dm   = 1.7159 tanh(2/3 MLP([b[t]; kappa_m m[t-1]]))                          kappa_m = exp(-dt / tau_m)
        m[t] = kappa_m m[t-1] + g dm
        y[t] = W_y m[t] + b_y
        g    = lambda (1 - kappa_m) in v1, 1 - kappa_m^lambda in v2

    The MLP hears the memory after its leak. It has one hidden layer of 2 M units (ReLU). In v1, g exceeds 1 for time
    constants near the time step; v2 keeps it below. All synapses forget alike, so the trace of a branch is
    the sum of its synapses' traces, and one trace a branch is kept in both versions.

    Only the loop over m goes step by step: synapses, branches, what the MLP hears of them and the outputs are products
    and one fused trace over all steps at once.

    Args:
        inputs: X. outputs: Y. memory: M. dt: time step, ms. leaks: time constants.
        branches: None: plain ELM, each input has its own branch of one synapse.
    Attributes: synapses (X,) or (D, S), 0.5 at first; hidden and update, the MLP's layers, and readout, by torch's
        defaults; tau_logit (M,), tau_m = tau_min + (tau_max - tau_min) sigmoid(tau_logit), a parameter if learned.
    State: b (B, D) and m (B, M).
    Raises: ConfigError, ShapeError.
    """

    class State(NamedTuple):
        """State of a neuron of expressive leaky memory."""

        b: Tensor  # (B, D) traces of the branches
        m: Tensor  # (B, M) memory

    def __init__(
        self, inputs: int, outputs: int, *, memory: int, branches: Branches | None = None,
        leaks: Leaks = Leaks(), dt: str | float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(inputs, outputs, memory) < 1:
            got = f"{inputs}, {outputs}, {memory}"
            raise ConfigError("ELM", expected="at least one input, output and memory unit", got=got)
        self.inputs, self.memory, self.leaks, self.dt = inputs, memory, leaks, checked_dt("ELM", dt)
        self.num_branches = inputs if branches is None else branches.num
        shape = (inputs,) if branches is None else (branches.num, branches.synapses)
        self.synapses = nn.Parameter(torch.full(shape, 0.5))
        self.sources: Tensor | None
        self.register_buffer("sources", None if branches is None else branches.sources(inputs))
        width = 2 * memory
        self.hidden = nn.Linear(self.num_branches + memory, width)
        self.update = nn.Linear(width, memory)
        self.readout = nn.Linear(memory, outputs)
        share_M = torch.linspace(0, 1, memory) if memory > 1 else torch.full((1,), 0.5)
        tau_M = leaks.tau_min * (leaks.tau_max / leaks.tau_min) ** share_M
        logit_M = ((tau_M - leaks.tau_min) / (leaks.tau_max - leaks.tau_min)).logit(eps=_EDGE)
        self.tau_logit: Tensor
        if leaks.learn:
            self.tau_logit = nn.Parameter(logit_M)
        else:
            self.register_buffer("tau_logit", logit_M)
        self._trace = plan(LeakyIntegrator(tau_m=leaks.tau_s, decay_input=False), dt=self.dt)

    @property
    def state_type(self) -> Any:
        """Traces of the branches, and memory."""
        return self.State

    @property
    def tau_m(self) -> Tensor:
        """Time constants of the memory units (M,), ms."""
        span = self.leaks.tau_max - self.leaks.tau_min
        return self.leaks.tau_min + span * self.tau_logit.sigmoid()

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """Return the shapes of traces and memory."""
        batch = x_TB.shape[1]
        return torch.Size((batch, self.num_branches)), torch.Size((batch, self.memory))

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run inputs (T, B, X), counts or numbers, from a State; returns y (T, B, Y) and the new State."""
        self.check(x_TB, state)
        if x_TB.ndim != 3 or x_TB.shape[-1] != self.inputs:
            raise ShapeError("ELM", expected=f"input (T, B, {self.inputs})", got=str(tuple(x_TB.shape)))
        b, m = state or (x_TB.new_zeros(shape) for shape in self.state_shapes(x_TB))
        traces, last = run(self._trace, self._currents(x_TB), LeakyIntegrator.State(v=b))
        m_TBM = self._memories(traces["spikes"], m)
        return self.readout(m_TBM), self.State(last.v, m_TBM[-1])

    def _currents(self, x_TBX: Tensor) -> Tensor:
        """Add up what the synapses of each branch pass on: (T, B, D)."""
        weight = self.synapses.relu()
        if self.sources is None:
            return x_TBX * weight
        # A synapse that hears nothing goes into one more column, which is then left out.
        rows_DS = torch.arange(self.num_branches, device=weight.device).unsqueeze(1).expand_as(weight)
        columns_DS = torch.where(self.sources < 0, self.inputs, self.sources)
        routed_DX = weight.new_zeros(self.num_branches, self.inputs + 1)
        routed_DX = routed_DX.index_put((rows_DS, columns_DS), weight, accumulate=True)
        return linear(x_TBX, routed_DX[:, : self.inputs])

    def _memories(self, b_TBD: Tensor, m_BM: Tensor) -> Tensor:
        """Compute the memory after each step: (T, B, M)."""
        leaks = self.leaks
        kappa_M = (-self.dt / self.tau_m).exp()
        gain_M = leaks.strength * (1 - kappa_M) if leaks.version == "v1" else 1 - kappa_M**leaks.strength
        own_HD, remembered_HM = torch.split(self.hidden.weight, [self.num_branches, self.memory], 1)
        heard_TBH = linear(b_TBD, own_HD, self.hidden.bias)
        # What does not change from step to step is multiplied once: the leak, 2/3 and 1.7159.
        update = Update(
            inward_MH=(remembered_HM * kappa_M).T.contiguous(),
            outward_HM=(self.update.weight * (2 / 3)).T.contiguous(),
            offset_M=self.update.bias * (2 / 3),
            kappa_M=kappa_M,
            reach_M=1.7159 * gain_M,
        )
        return run_memory(heard_TBH, m_BM, update)

    def extra_repr(self) -> str:
        """Show sizes and time constants."""
        how = f"{self.leaks.version}{', learned' if self.leaks.learn else ''}"
        times = f"tau_m={self.leaks.tau_min:g}..{self.leaks.tau_max:g} ms, dt={self.dt:g} ms"
        return f"{self.inputs}, branches={self.num_branches}, memory={self.memory}, {times}, {how}"
