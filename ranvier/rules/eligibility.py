"""Eligibility traces of any neuron, derived from its step. Source: Bellec et al. 2020, Nat. Commun. 11:3625.

Letters: B batch, N neurons, J what a weight weighs, K state variables.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.core.neuron import Neuron
from ranvier.core.params import bind
from ranvier.kernels.dispatch import rest
from ranvier.nn.learned import live
from ranvier.nn.recurrent import Recurrent
from ranvier.nn.spiking import Spiking


class _Slopes(NamedTuple):
    """Derivatives of one step of N independent neurons."""

    state_by_state: list[list[Tensor]]  # [k][l] (B, N): ds'_k / ds_l
    state_by_current: list[Tensor]  # [k] (B, N)
    spikes_by_state: list[Tensor]  # [l] (B, N)
    spikes_by_current: Tensor  # (B, N)


class Eligibility:
    """Runs a layer of neurons step by step, and the traces of its weights with it.

    eps_k[t] = sum_l ds'_k/ds_l eps_l[t-1] + ds'_k/dI x[t],   e[t] = sum_l dz/ds_l eps_l[t-1] + dz/dI x[t]

    (eq. 13 and 14) for each neuron and each input x_j that it hears. The derivatives are those of ``step``, with its
    surrogate, and with its reset unless that is detached. The spikes of the layer itself are inputs: what they change
    in other neurons is no part of the derivatives.
    """

    def __init__(self, layer: Spiking | Recurrent) -> None:
        self.layer = layer
        values = {name: value.detach() for name, value in live(layer, layer.plan.learned).items()}
        self.neuron: Neuron = bind(layer.plan.neuron, values)
        self._state: Any = None
        self._spikes_BN: Tensor | None = None  # of the step before
        self._inputs: dict[str, Tensor] = {}  # (B, J), of this step
        self._slopes: _Slopes | None = None
        self._vectors: dict[str, list[Tensor]] = {}  # name: [k] (B, N, J)

    def step(self, x_BJ: Tensor, current_BN: Tensor) -> Tensor:
        """Advance the neurons. Args: x_BJ: what the layer before hears. current_BN: what it says. Returns: spikes."""
        if self._state is None:
            self._state = rest(self.neuron, current_BN)
            self._spikes_BN = torch.zeros_like(current_BN)
        assert self._spikes_BN is not None
        one_B1 = torch.ones_like(current_BN[:, :1])
        self._inputs = {"input": x_BJ, "input_bias": one_B1, "spikes": self._spikes_BN, "spikes_bias": one_B1}
        if isinstance(self.layer, Recurrent):
            current_BN = current_BN + torch.nn.functional.linear(self._spikes_BN, self.layer.weight, self.layer.bias)
        self._state, self._spikes_BN, self._slopes = self._differentiate(current_BN)
        return self._spikes_BN

    def traces(self, weights: Mapping[str, Tensor | None]) -> dict[Tensor, Tensor]:
        """Advance the traces of some weights by the step just made. Returns: {weight: e (B, N, J)}."""
        assert self._slopes is not None
        found: dict[Tensor, Tensor] = {}
        for name, weight in weights.items():
            if weight is not None:
                found[weight] = self._trace(name, self._slopes)
        return found

    def _trace(self, name: str, slopes: _Slopes) -> Tensor:
        x_B1J = self._inputs[name].unsqueeze(1)
        before = self._vectors.get(name)
        e_BNJ = slopes.spikes_by_current.unsqueeze(2) * x_B1J
        after = [slope.unsqueeze(2) * x_B1J for slope in slopes.state_by_current]
        if before is not None:
            for slope, eps_BNJ in zip(slopes.spikes_by_state, before, strict=True):
                e_BNJ += slope.unsqueeze(2) * eps_BNJ
            for total_BNJ, row in zip(after, slopes.state_by_state, strict=True):
                for slope, eps_BNJ in zip(row, before, strict=True):
                    total_BNJ += slope.unsqueeze(2) * eps_BNJ
        self._vectors[name] = after
        return e_BNJ

    def _differentiate(self, current_BN: Tensor) -> tuple[Any, Tensor, _Slopes]:
        """Make a step; neurons are independent, so the gradient of a sum over them holds the derivative of each."""
        with torch.enable_grad():
            state = type(self._state)(*(value.detach().clone().requires_grad_() for value in self._state))
            current_BN = current_BN.detach().requires_grad_()
            after, spikes_BN = self.neuron.step(state, current_BN, dt=self.layer.plan.dt)
            of = (*state, current_BN)
            rows = [_gradient(value, of) for value in (*after, spikes_BN)]
        *by_state, (*spikes_by_state, spikes_by_current) = rows
        slopes = _Slopes(
            [row[:-1] for row in by_state], [row[-1] for row in by_state], spikes_by_state, spikes_by_current
        )
        return type(after)(*(value.detach() for value in after)), spikes_BN.detach(), slopes


def _gradient(value: Tensor, of: tuple[Tensor, ...]) -> list[Tensor]:
    if not value.requires_grad:
        return [torch.zeros_like(x) for x in of]
    found = torch.autograd.grad(value.sum(), of, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(of, found, strict=True)]
