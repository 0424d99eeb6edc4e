"""Optimisers as frozen descriptions; torch's own do the work, ours where torch has none.

Weight decay touches parameters of two axes or more only: biases, gains of norms and neurons' time constants stay free.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.train.lamb import Lamb


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101)."""

    kind: Literal["adamw"] = "adamw"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        _require("AdamW.lr", self.lr > 0, "a rate > 0", self.lr)
        _require("AdamW.betas", all(0 <= b < 1 for b in self.betas), "two numbers in [0, 1)", self.betas)
        _require("AdamW.eps", self.eps > 0, "a number > 0", self.eps)
        _require("AdamW.weight_decay", self.weight_decay >= 0, "a number >= 0", self.weight_decay)

    def build(
        self, parameters: Iterable[nn.Parameter], scales: Mapping[nn.Parameter, float] | None = None
    ) -> torch.optim.Optimizer:
        """Make the optimiser of these parameters; ``scales``: what the learning rate of some is multiplied with."""
        groups = _groups(parameters, self.weight_decay, scales or {})
        return torch.optim.AdamW(groups, lr=self.lr, betas=(self.betas[0], self.betas[1]), eps=self.eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _require("SGD.lr", self.lr > 0, "a rate > 0", self.lr)
        _require("SGD.momentum", 0 <= self.momentum < 1, "a number in [0, 1)", self.momentum)
        _require("SGD.weight_decay", self.weight_decay >= 0, "a number >= 0", self.weight_decay)
        if self.nesterov and self.momentum == 0:
            raise ConfigError(
                "SGD.nesterov", expected="momentum > 0 with it", got="momentum 0", mend="Set momentum=0.9."
            )

    def build(
        self, parameters: Iterable[nn.Parameter], scales: Mapping[nn.Parameter, float] | None = None
    ) -> torch.optim.Optimizer:
        """Make the optimiser of these parameters; ``scales``: what the learning rate of some is multiplied with."""
        groups = _groups(parameters, self.weight_decay, scales or {})
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov)


@dataclass(frozen=True, slots=True, kw_only=True)
class LAMB:
    """Adam with a step scaled to the size of each layer's weights (You et al. 2020, arXiv 1904.00962).

    Args: clip_trust: that scale is at most 1. Weight decay of 0 switches it off, and Adam remains.
    """

    kind: Literal["lamb"] = "lamb"
    lr: float = 2.4e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    weight_decay: float = 0.05
    clip_trust: bool = True

    def __post_init__(self) -> None:
        _require("LAMB.lr", self.lr > 0, "a rate > 0", self.lr)
        _require("LAMB.betas", all(0 <= b < 1 for b in self.betas), "two numbers in [0, 1)", self.betas)
        _require("LAMB.eps", self.eps > 0, "a number > 0", self.eps)
        _require("LAMB.weight_decay", self.weight_decay >= 0, "a number >= 0", self.weight_decay)

    def build(
        self, parameters: Iterable[nn.Parameter], scales: Mapping[nn.Parameter, float] | None = None
    ) -> torch.optim.Optimizer:
        """Make the optimiser of these parameters; ``scales``: what the learning rate of some is multiplied with."""
        groups = _groups(parameters, self.weight_decay, scales or {})
        betas = (self.betas[0], self.betas[1])
        return Lamb(groups, lr=self.lr, betas=betas, eps=self.eps, clip_trust=self.clip_trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adamax:
    """Adam with the largest gradient in place of the mean square (Kingma and Ba 2015, arXiv 1412.6980, algorithm 2)."""

    kind: Literal["adamax"] = "adamax"
    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _require("Adamax.lr", self.lr > 0, "a rate > 0", self.lr)
        _require("Adamax.betas", all(0 <= b < 1 for b in self.betas), "two numbers in [0, 1)", self.betas)
        _require("Adamax.eps", self.eps > 0, "a number > 0", self.eps)

    def build(
        self, parameters: Iterable[nn.Parameter], scales: Mapping[nn.Parameter, float] | None = None
    ) -> torch.optim.Optimizer:
        """Make the optimiser of these parameters; ``scales``: what the learning rate of some is multiplied with."""
        groups = _groups(parameters, 0.0, scales or {})
        return torch.optim.Adamax(groups, lr=self.lr, betas=(self.betas[0], self.betas[1]), eps=self.eps)


Optimiser = AdamW | SGD | LAMB | Adamax


def _groups(
    parameters: Iterable[nn.Parameter], weight_decay: float, scales: Mapping[nn.Parameter, float]
) -> list[dict[str, Any]]:
    """Part the parameters by decay and by the factor of their learning rate, which the group keeps as "scale"."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault((scales.get(parameter, 1.0), parameter.ndim < 2), []).append(parameter)
    return [
        {"params": found, "weight_decay": 0.0 if free else weight_decay, "scale": scale}
        for (scale, free), found in sorted(groups.items(), key=lambda item: (-item[0][0], item[0][1]))
    ]


def _require(where: str, holds: bool, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(where, expected=expected, got=repr(got))
