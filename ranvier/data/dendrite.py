"""A neuron of three compartments with active dendrites, driven by many synapses: a detailed neuron to learn from.

Equations are those of the parts, each from its own source: NMDA channels, Jahr and Stevens 1990, J. Neurosci. 10:3178
(magnesium block); spike initiation, Fourcaud-Trocme et al. 2003, J. Neurosci. 23:11628; sodium-like inward current
with an inactivation gate, as in Hodgkin and Huxley 1952 with fast activation taken at its steady state. Numbers are
ours, chosen so that dendrites have plateaus and the soma fires about ten times a second.

Axes: T time, B batch, X synapses, D dendrites (2).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator

DENDRITES = 2


class Recording(NamedTuple):
    """What went into the neuron and what came out, every ms."""

    inputs_TBX: Tensor  # 1 an exciting spike, -1 an inhibiting one
    spikes_TB: Tensor  # of the soma, 0 or 1
    v_TB: Tensor  # mV, of the soma, at the end of the ms; ``v_t`` where it is above or there was a spike


@dataclass(frozen=True, slots=True, kw_only=True)
class Dendrite:
    """A soma and two dendrites.

    ::

        C v_i' = g_l (e_l - v_i) + g_c sum over neighbours (v_j - v_i) + I_i
        dendrites: I = (g_ampa + g_nmda B(v)) (0 - v) + g_gaba (e_i - v) + g_na a(v)^3 h (e_na - v)
                   B(v) = 1 / (1 + exp(-0.062 v) / 3.57)    (1 mM magnesium)
                   a(v) = 1 / (1 + exp(-(v + 38) / 5)),  tau_h h' = 1 / (1 + exp((v + 50) / 5)) - h
        soma:      I = g_l delta_t exp((v - v_t) / delta_t) - w,  tau_w w' = -w
                   at v >= v_th: a spike, v = v_reset for t_ref, w = w + b
        synapses:  each spike adds its weight to g_ampa and nmda_ratio times it to g_nmda, or to g_gaba;
                   each conductance decays with its own time constant

    Both dendrites are neighbours of the soma. Conductances in nS, capacitance in pF. Potentials by the exponential
    Euler method with all conductances held through a step, spikes at its start.

    Args:
        exciting, inhibiting: synapses on each dendrite. rate: Hz, median of a synapse's rate over time; its mean is
            exp(sigma_rate^2 / 2) as much. tau_rate, sigma_rate: the logarithm of each dendrite's rate, common to its
            synapses, wanders with this time constant (ms) and standard deviation.
        weight: nS, mean of the exciting synapses' AMPA conductance; weights are drawn, exponentially distributed.
            gaba_ratio, nmda_ratio: means of the inhibiting synapses' and of the NMDA conductance, in those of AMPA.
        active: False takes the sodium-like current away, and the magnesium block (B = 0.2): a passive dendrite.
        dt: step of the integration, ms; a divisor of 1. seed: of the weights.
    Raises: ConfigError.
    """

    exciting: int = 20
    inhibiting: int = 10
    rate: float = 8.0
    tau_rate: float = 100.0
    sigma_rate: float = 0.6
    weight: float = 1.5
    gaba_ratio: float = 2.0
    nmda_ratio: float = 1.5
    active: bool = True
    capacitance: float = 100.0
    g_l: float = 6.0
    g_c: float = 12.0
    g_na: float = 60.0
    e_l: float = -70.0
    e_i: float = -75.0
    e_na: float = 50.0
    tau_ampa: float = 2.0
    tau_nmda: float = 60.0
    tau_gaba: float = 8.0
    tau_h: float = 15.0
    v_t: float = -52.0
    delta_t: float = 2.0
    v_th: float = -40.0
    v_reset: float = -62.0
    t_ref: float = 2.0
    tau_w: float = 100.0
    b: float = 40.0
    dt: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("exciting", "inhibiting"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Dendrite.{name}", expected="at least 1 synapse", got=str(getattr(self, name)))
        for name in ("capacitance", "g_l", "tau_rate", "tau_ampa", "tau_nmda", "tau_gaba", "tau_h", "tau_w"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Dendrite.{name}", expected="a number > 0", got=str(getattr(self, name)))
        if not 0 < self.dt <= 1 or not math.isclose(round(1 / self.dt) * self.dt, 1):
            raise ConfigError("Dendrite.dt", expected="a part of 1 ms, such as 0.25", got=str(self.dt))
        if self.delta_t <= 0 or self.v_reset >= self.v_th:
            raise ConfigError("Dendrite.v_reset", expected="v_reset < v_th, delta_t > 0", got=str(self.v_reset))

    @property
    def inputs(self) -> int:
        """X, synapses on both dendrites."""
        return DENDRITES * (self.exciting + self.inhibiting)

    @property
    def weights(self) -> Tensor:
        """What a spike of each synapse adds, nS: AMPA for exciting ones, GABA for inhibiting ones, (X,)."""
        drawn = torch.rand(self.inputs, generator=generator(self.seed, "weights"))
        size = torch.full((DENDRITES, self.exciting + self.inhibiting), self.weight)
        size[:, self.exciting :] *= self.gaba_ratio
        return -torch.log1p(-drawn) * size.flatten()

    def draw(self, steps: int, batch: int, *, seed: int) -> Tensor:
        """Draw the spikes of all synapses: (T, B, X), 0, 1, or -1 where an inhibiting one fires; a step is 1 ms."""
        random = generator(seed, "dendrite")
        log_B1 = self.sigma_rate * torch.randn(batch, DENDRITES, generator=random)
        keep = math.exp(-1 / self.tau_rate)
        noise_TBD = self.sigma_rate * (1 - keep**2) ** 0.5 * torch.randn(steps, batch, DENDRITES, generator=random)
        level = []
        for noise_BD in noise_TBD:
            log_B1 = keep * log_B1 + noise_BD
            level.append(log_B1)
        each = self.exciting + self.inhibiting
        share_TBX = (self.rate / 1000 * torch.stack(level).exp()).clamp(max=0.5).repeat_interleave(each, 2)
        fired = (torch.rand(steps, batch, self.inputs, generator=random) < share_TBX).float()
        return fired * self._signs()

    def run(self, inputs_TBX: Tensor) -> Recording:
        """Compute what the soma does from rest.

        Args: inputs_TBX: as ``draw`` gives them.
        Raises: ShapeError.
        """
        if inputs_TBX.ndim != 3 or inputs_TBX.shape[-1] != self.inputs or not len(inputs_TBX):
            raise ShapeError("Dendrite", expected=f"inputs (T, B, {self.inputs})", got=str(tuple(inputs_TBX.shape)))
        arrived_TBXX = torch.unflatten(inputs_TBX.abs() * self.weights, 2, (DENDRITES, -1))
        exciting_TBD = arrived_TBXX[..., : self.exciting].sum(-1)
        inhibiting_TBD = arrived_TBXX[..., self.exciting :].sum(-1)
        state = _State.rest(self, inputs_TBX.shape[1], inputs_TBX)
        spikes, potentials = [], []
        for exciting_BD, inhibiting_BD in zip(exciting_TBD, inhibiting_TBD, strict=True):
            state = state.heard(self, exciting_BD, inhibiting_BD)
            fired_B = torch.zeros_like(state.v_B)
            for _ in range(round(1 / self.dt)):
                state, now_B = state.step(self)
                fired_B = torch.maximum(fired_B, now_B)
            spikes.append(fired_B)
            potentials.append(torch.where(fired_B > 0, self.v_t, state.v_B.clamp(max=self.v_t)))
        return Recording(inputs_TBX, torch.stack(spikes), torch.stack(potentials))

    def _signs(self) -> Tensor:
        signs = torch.ones(DENDRITES, self.exciting + self.inhibiting)
        signs[:, self.exciting :] = -1
        return signs.flatten()


class _State(NamedTuple):
    """Everything that changes; see ``Dendrite``."""

    v_B: Tensor
    w_B: Tensor
    left_B: Tensor  # ms, of the refractory time
    v_BD: Tensor
    h_BD: Tensor
    ampa_BD: Tensor
    nmda_BD: Tensor
    gaba_BD: Tensor

    @classmethod
    def rest(cls, of: Dendrite, batch: int, like: Tensor) -> "_State":
        soma, dendrites = like.new_zeros(batch), like.new_zeros(batch, DENDRITES)
        v_BD = dendrites + of.e_l
        return cls(soma + of.e_l, soma, soma, v_BD, torch.sigmoid(-(v_BD + 50) / 5), dendrites, dendrites, dendrites)

    def heard(self, of: Dendrite, exciting_BD: Tensor, inhibiting_BD: Tensor) -> "_State":
        """Add the spikes that arrive at the start of a ms to the conductances."""
        return self._replace(
            ampa_BD=self.ampa_BD + exciting_BD,
            nmda_BD=self.nmda_BD + of.nmda_ratio * exciting_BD,
            gaba_BD=self.gaba_BD + inhibiting_BD,
        )

    def step(self, of: Dendrite) -> tuple["_State", Tensor]:
        """Advance by ``dt``."""
        dt, v_B, v_BD = of.dt, self.v_B, self.v_BD
        block_BD = 1 / (1 + torch.exp(-0.062 * v_BD) / 3.57) if of.active else torch.full_like(v_BD, 0.2)
        sodium_BD = of.g_na * of.active * torch.sigmoid((v_BD + 38) / 5) ** 3 * self.h_BD
        open_BD = self.ampa_BD + self.nmda_BD * block_BD
        pull_BD = of.g_l * of.e_l + of.g_c * v_B.unsqueeze(1) + self.gaba_BD * of.e_i + sodium_BD * of.e_na
        new_BD = _relax(v_BD, pull_BD, of.g_l + of.g_c + open_BD + self.gaba_BD + sodium_BD, dt / of.capacitance)
        upstroke_B = of.g_l * of.delta_t * torch.exp(((v_B - of.v_t) / of.delta_t).clamp(max=10.0))
        pull_B = of.g_l * of.e_l + of.g_c * v_BD.sum(1) + upstroke_B - self.w_B
        new_B = _relax(v_B, pull_B, torch.full_like(v_B, of.g_l + DENDRITES * of.g_c), dt / of.capacitance)
        # Half a step of tolerance, so that rounding in the countdown never adds a step.
        new_B = torch.where(self.left_B > 0.5 * dt, of.v_reset, new_B)
        fired = new_B >= of.v_th
        keep = [math.exp(-dt / tau) for tau in (of.tau_ampa, of.tau_nmda, of.tau_gaba, of.tau_h)]
        goal_BD = torch.sigmoid(-(v_BD + 50) / 5)
        new = _State(
            v_B=torch.where(fired, of.v_reset, new_B),
            w_B=self.w_B * math.exp(-dt / of.tau_w) + of.b * fired,
            left_B=torch.where(fired, of.t_ref, self.left_B - dt),
            v_BD=new_BD,
            h_BD=goal_BD + (self.h_BD - goal_BD) * keep[3],
            ampa_BD=self.ampa_BD * keep[0],
            nmda_BD=self.nmda_BD * keep[1],
            gaba_BD=self.gaba_BD * keep[2],
        )
        return new, fired.to(new_B.dtype)


def _relax(v: Tensor, pull: Tensor, total: Tensor, share: float) -> Tensor:
    """Go towards pull / total with the rate total, for the time ``share`` (ms / pF)."""
    goal = pull / total
    return goal + (v - goal) * torch.exp(-share * total)
