"""Groups of neurons that compete for an input: excitatory ones, each with an inhibitory partner that silences the rest.

Source: Diehl and Cook 2015, Front. Comput. Neurosci. 9:99, section 2; many groups at once as in Hussaini, Milford and
Fischer 2023, arXiv:2209.08723. Letters: T time, B batch, N inputs, G groups, M neurons of a group, D longest delay,
E synapses that a spike reaches.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.neuron import Neuron
from ranvier.core.reset import ToValue
from ranvier.kernels import Plan, plan
from ranvier.kernels import run as run_kernel
from ranvier.neurons import ConductanceLIF
from ranvier.nn.stateful import Stateful

EXCITATORY = ConductanceLIF(tau_i=2.0, strict=True)
INHIBITORY = ConductanceLIF(
    tau_m=10.0, v_rest=-60.0, e_inh=-85.0, v_th=-40.0, theta_plus=0.0, t_ref=2.0, strict=True,
    reset=ToValue(v_reset=-45.0),
)  # fmt: skip


class CompetitionState(NamedTuple):
    """State of groups that compete: of all neurons, and the inputs that are still on their way."""

    v: Tensor  # (B, G, M) as of ConductanceLIF, and so are the next four
    g_e: Tensor
    g_i: Tensor
    theta: Tensor
    t_left: Tensor
    partner_v: Tensor  # (B, G, M) of the inhibitory partners, and so are the next four
    partner_g_e: Tensor
    partner_g_i: Tensor
    partner_theta: Tensor
    partner_t_left: Tensor
    recent: Tensor  # (B, D, N) the last D steps of input


class Competition(Stateful):
    """G groups of M excitatory neurons with lateral inhibition: input spikes (T, B, N) become spikes (T, B, G, M).

    Every input reaches every excitatory neuron by one synapse of its own delay, a whole number of steps, and adds its
    weight to g_e. A spike adds ``excite`` to its partner's g_e in the same step; the partner's adds ``inhibit`` to the
    g_i of all excitatory neurons of the group but its own, one step later. Weights and thresholds are buffers: rules
    such as ``TripletSTDP`` change them, gradients do not.

    Args: weight_GMN: >= 0. delay_GMN: int64 steps from 0. dt: ms. excite, inhibit: weights, over the leak's
        conductance. excitatory, inhibitory: the neurons, with the state of ``ConductanceLIF``.
    Attributes: weight, delay: copies of those given; all is computed in the weights' type.
        theta: (G, M) mV, how far each threshold stands above v_th at rest.
    Raises: ShapeError, ConfigError.
    """

    weight: Tensor
    delay: Tensor
    theta: Tensor

    def __init__(
        self, weight_GMN: Tensor, delay_GMN: Tensor, *, dt: float = 0.5, excite: float = 10.4, inhibit: float = 17.0,
        excitatory: Neuron = EXCITATORY, inhibitory: Neuron = INHIBITORY,
    ) -> None:  # fmt: skip
        super().__init__()
        if weight_GMN.ndim != 3 or weight_GMN.shape != delay_GMN.shape:
            got = f"{tuple(weight_GMN.shape)} and {tuple(delay_GMN.shape)}"
            raise ShapeError("Competition", expected="weights and delays (G, M, N)", got=got)
        if delay_GMN.dtype != torch.int64 or (delay_GMN.numel() and int(delay_GMN.min()) < 0):
            raise ConfigError("Competition.delay", expected="int64 steps >= 0", got=f"{delay_GMN.dtype}")
        if not dt > 0:
            raise ConfigError("Competition.dt", expected="a time > 0 ms", got=str(dt))
        self.dt, self.excite, self.inhibit = dt, excite, inhibit
        self.excitatory, self.inhibitory = excitatory, inhibitory
        self.excitatory_plan, self.inhibitory_plan = plan(excitatory, dt=dt), plan(inhibitory, dt=dt)
        self.longest = int(delay_GMN.max()) if delay_GMN.numel() else 0
        for name, neuron in (("excitatory", excitatory), ("inhibitory", inhibitory)):
            if neuron.State._fields != ConductanceLIF.State._fields:
                raise ConfigError(f"Competition.{name}", expected="a ConductanceLIF", got=type(neuron).__name__)
        self.register_buffer("weight", weight_GMN.clone(memory_format=torch.contiguous_format))
        self.register_buffer("delay", delay_GMN.clone(memory_format=torch.contiguous_format))
        self.register_buffer("theta", weight_GMN.new_zeros(weight_GMN.shape[:2]))

    @property
    def state_type(self) -> type[CompetitionState]:
        """The state of all neurons, and the inputs on their way."""
        return CompetitionState

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """Return the shape of each tensor of the state for an input (T, B, N)."""
        groups, members, inputs = self.weight.shape
        batch = x_TB.shape[1]
        return (torch.Size((batch, groups, members)),) * 10 + (torch.Size((batch, self.longest, inputs)),)

    def start(self, batch: int) -> CompetitionState:
        """Give the state at rest, with the thresholds where they stand."""
        groups, members, inputs = self.weight.shape
        resting = [
            self.weight.new_full((batch, groups, members), float(value))
            for neuron in (self.excitatory, self.inhibitory)
            for value in neuron.rest()
        ]
        resting[3] = self.theta.expand(batch, -1, -1).clone()
        return CompetitionState._make([*resting, self.weight.new_zeros(batch, self.longest, inputs)])

    def run(self, x_TB: Tensor, state: CompetitionState | None = None) -> tuple[Tensor, CompetitionState]:
        """Run input spikes (T, B, N), or numbers that scale weights, from a state.

        Weights stay, thresholds creep in the state alone.
        """
        self.check(x_TB, state)
        if x_TB.ndim != 3 or x_TB.shape[2] != self.weight.shape[2]:
            expected = f"input spikes (T, B, {self.weight.shape[2]})"
            raise ShapeError("Competition", expected=expected, got=str(tuple(x_TB.shape)))
        state = self.start(x_TB.shape[1]) if state is None else state
        heard_TBN = torch.cat([state.recent.transpose(0, 1), x_TB.to(self.weight.dtype)])
        # How many spikes there are decides shapes in the sparse sum, which a compiled graph cannot follow.
        compiling = torch.compiler.is_compiling()
        current_TBGM = self.currents(heard_TBN) if compiling else self.sparse_currents(heard_TBN)
        spikes = []
        for current_BGM in current_TBGM.unbind(0):
            state, fired_BGM = self.step(state, current_BGM)
            spikes.append(fired_BGM)
        recent = heard_TBN[len(heard_TBN) - self.longest :].transpose(0, 1).contiguous()
        return torch.stack(spikes), state._replace(recent=recent)

    def step(self, state: CompetitionState, current_BGM: Tensor) -> tuple[CompetitionState, Tensor]:
        """Advance all neurons by a step, given what arrives at the excitatory ones; ``recent`` is left as it is."""
        kind = type(self.excitatory).State
        state_e, fired_BGM = _advance(self.excitatory_plan, kind(*state[:5]), current_BGM)
        partners, answer_BGM = _advance(self.inhibitory_plan, kind(*state[5:10]), self.excite * fired_BGM)
        others_BGM = answer_BGM.sum(-1, keepdim=True) - answer_BGM
        state_e = state_e._replace(g_i=state_e.g_i + self.inhibit * others_BGM)
        return CompetitionState._make([*state_e, *partners, state.recent]), fired_BGM

    def currents(self, heard_TBN: Tensor) -> Tensor:
        """Compute what arrives at each excitatory neuron, (T, B, G, M), of input whose first D steps lie in the past.

        current[t, b, g, m] = sum over n of weight[g, m, n] x[t - delay[g, m, n], b, n]. The plain form.
        """
        steps = len(heard_TBN) - self.longest
        total: Tensor | None = None
        for lag in range(self.longest + 1):
            weight_GMN = self.weight * (self.delay == lag)
            first = self.longest - lag
            part = torch.einsum("tbn,gmn->tbgm", heard_TBN[first : first + steps], weight_GMN)
            total = part if total is None else total + part
        assert total is not None
        return total

    def sparse_currents(self, heard_TBN: Tensor) -> Tensor:
        """Compute ``currents`` from what is not 0 alone: rows of a table of weights by input and delay, summed."""
        groups, members, inputs = self.weight.shape
        lags = self.longest + 1
        table = torch.zeros(inputs, lags, groups * members, dtype=self.weight.dtype, device=self.weight.device)
        flat_NJ = self.weight.flatten(0, 1).T
        table.scatter_(1, self.delay.flatten(0, 1).T[:, None], flat_NJ[:, None].contiguous())
        steps, batch = len(heard_TBN) - self.longest, heard_TBN.shape[1]
        now_TBNL = torch.stack([heard_TBN[lags - 1 - lag :][:steps] for lag in range(lags)], -1)
        rows = now_TBNL.reshape(steps * batch, inputs * lags)
        fired = rows != 0
        found, values = fired.nonzero()[:, 1], rows[fired]
        offsets = pad(fired.sum(1).cumsum(0), (1, 0))[:-1]
        weights = None if bool((values == 1).all()) else values.to(table.dtype)
        total = embedding_bag(found, table.flatten(0, 1), offsets, mode="sum", per_sample_weights=weights)
        return total.reshape(steps, batch, groups, members)


def _advance(planned: Plan, state: Any, current: Tensor) -> tuple[Any, Tensor]:
    ran = run_kernel(planned, current[None], state)
    return ran.state, ran.outputs["spikes"][0]


def random_delays(shape: tuple[int, ...], *, longest: int, generator: torch.Generator) -> Tensor:
    """Draw delays, uniform whole numbers of steps from 0 to ``longest``, as int64."""
    return torch.randint(0, longest + 1, shape, generator=generator)
