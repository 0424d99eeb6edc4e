"""How far a training is, and the tree that a checkpoint keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.errors import CheckpointError, ConfigError
from ranvier.runs import weights
from ranvier.runs.files import plain
from ranvier.train.average import Weights
from ranvier.train.config import Train
from ranvier.train.step import Figures

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a training is; plain values only.

    Args: step: optimiser steps taken. judged: epochs that were evaluated. loss, right, seen: sum of the losses, right
        decisions (None where targets are no classes) and samples of the epoch under way. history: the figures of every
        epoch judged. stopped: why training ended before its last epoch, empty if it did not.
    """

    step: int = 0
    judged: int = 0
    loss: float = 0.0
    right: int | None = 0
    seen: int = 0
    history: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    stopped: str = ""

    def after(self, figures: Figures) -> "Progress":
        """Return where training stands after one more step."""
        return replace(
            self,
            step=self.step + 1,
            loss=self.loss + figures.loss * figures.seen,
            right=None if figures.right is None else (self.right or 0) + figures.right,
            seen=self.seen + figures.seen,
        )

    def next_epoch(self, *, history: tuple[Mapping[str, Any], ...], stopped: str) -> "Progress":
        """Return where training stands once the epoch that has ended is judged."""
        return replace(self, judged=self.judged + 1, loss=0.0, right=0, seen=0, history=history, stopped=stopped)

    def means(self) -> dict[str, float]:
        """Return the figures of the epoch so far: "train_loss" and, where targets are classes, "train_accuracy"."""
        figures = {"train_loss": self.loss / self.seen}
        if self.right is not None:
            figures["train_accuracy"] = self.right / self.seen
        return figures


def to_tree(
    progress: Progress,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Weights | None,
    config: Train,
    *,
    seed: int = 0,
) -> Tree:
    """Gather everything that the rest of the training depends on."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in net.named_parameters()}
    return {
        "progress": plain(progress),
        "config": _decisive(config, seed),
        "net": dict(net.state_dict()),
        "optimiser": {names[p]: dict(state) for p, state in optimiser.state.items()},
        "average": average,
    }


def from_tree(
    tree: Tree,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Weights | None,
    config: Train,
    *,
    seed: int = 0,
    where: str,
) -> Progress:
    """Put network, optimiser and average into the state that ``to_tree`` gathered, or leave them if it does not fit.

    Raises: ConfigError if it was made with another configuration; CheckpointError if of another network or program.
    """
    missing = {"progress", "config", "net", "optimiser", "average"} - set(tree)
    if missing or set(tree["progress"]) != {f.name for f in fields(Progress)}:
        got = f"one without {', '.join(sorted(missing))}" if missing else "one with another kind of progress"
        raise CheckpointError(where, expected="a checkpoint of a training", got=got)
    _same(tree["config"], _decisive(config, seed), where)
    weights.load(net, tree["net"], where=where)
    optimiser.load_state_dict(_numbered(tree["optimiser"], net, optimiser))
    if average is not None:
        for name, tensor in tree["average"].items():
            average[name].copy_(tensor)
    progress = dict(tree["progress"])
    return Progress(**{**progress, "history": tuple(progress["history"])})


def _numbered(states: Mapping[str, Tree], net: nn.Module, optimiser: torch.optim.Optimizer) -> Tree:
    """Name the optimiser's states by numbers, as torch does."""
    names = {parameter: name for name, parameter in net.named_parameters()}
    ordered = [names[p] for group in optimiser.param_groups for p in group["params"]]
    numbered = {number: states[name] for number, name in enumerate(ordered) if name in states}
    return {"state": numbered, "param_groups": optimiser.state_dict()["param_groups"]}


def _decisive(config: Train, seed: int) -> Tree:
    """Return the plain values that the weights depend on."""
    values: Tree = plain(config)
    del values["saving"]
    return {**values, "seed": seed}


def _same(stored: Tree, wanted: Tree, where: str) -> None:
    before, now = _leaves(stored), _leaves(wanted)
    faults = [
        f"{name} = {before.get(name, 'nothing')} instead of {now.get(name, 'nothing')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if faults:
        raise ConfigError(
            where,
            expected="the training configuration that the run was started with",
            got="; ".join(faults),
            mend="Resume with the configuration in the run's config.json, or start a new run.",
        )


def _leaves(tree: Tree, prefix: str = "") -> Tree:
    found: Tree = {}
    for key, value in tree.items():
        found.update(_leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return found
