"""Who looks at training after each epoch: a callback reads the figures and may advise to warn or to stop.

Callbacks are functions of what happened so far and keep nothing themselves, so a resumed training gets the same advice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ranvier.core.errors import ConfigError, RanvierError, UnknownNameError
from ranvier.train.activity import Activity, total_spikes


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What is known after an epoch.

    Args: number: from 1. step: optimiser steps taken. history: the figures of every epoch so far, this one last, such
        as "train_loss", "test_accuracy". activity: of each spiking layer over the held-out data, by module path.
    """

    number: int
    step: int
    history: tuple[Mapping[str, Any], ...]
    activity: Mapping[str, Activity]


class Advice(NamedTuple):
    """What a callback has to say."""

    words: str
    stop: bool = False


Callback = Callable[[Epoch], Advice | None]


class BudgetError(RanvierError, RuntimeError):
    """The network fires more than it was allowed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """Stops when a figure has not become better for some epochs.

    Args: figure: of the history; the larger is the better one if its name ends in "accuracy", else the smaller.
        patience: epochs without a better value. least: by how much it must be better to count.
    """

    figure: str = "test_loss"
    patience: int = 5
    least: float = 0.0

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ConfigError("EarlyStop.patience", expected="at least 1 epoch", got=str(self.patience))
        if not self.least >= 0:
            raise ConfigError("EarlyStop.least", expected="a difference >= 0", got=str(self.least))

    def __call__(self, epoch: Epoch) -> Advice | None:
        """Compare this epoch with the best; raises UnknownNameError if the figure is not there."""
        if self.figure not in epoch.history[-1]:
            raise UnknownNameError.among("EarlyStop.figure", self.figure, epoch.history[-1], kind="figure")
        sign = -1.0 if self.figure.endswith("accuracy") else 1.0
        best, since = float("inf"), 0
        for figures in epoch.history:
            value = figures[self.figure]
            if value is not None and sign * value < best - self.least:
                best, since = sign * value, 0
            else:
                since += 1
        if since < self.patience:
            return None
        return Advice(f"{self.figure} has not become better than {sign * best:.4g} for {since} epochs", stop=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWatch:
    """Warns of layers in which too many neurons never fire, or hardly ever stop.

    Args: dead, saturated: shares of neurons from which to warn; 1 for dead means only where a layer is silent.
    """

    dead: float = 0.9
    saturated: float = 0.5

    def __post_init__(self) -> None:
        for name in ("dead", "saturated"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"LayerWatch.{name}", expected="a share in (0, 1]", got=str(getattr(self, name)))

    def __call__(self, epoch: Epoch) -> Advice | None:
        """Name the layers at fault."""
        words = [
            f'layer "{name}": {share:.0%} of its {layer.num_neurons} neurons {deed}'
            for name, layer in epoch.activity.items()
            for share, limit, deed in (
                (layer.dead, self.dead, "never fired"),
                (layer.saturated, self.saturated, "fired at nearly every step"),
            )
            if share >= limit
        ]
        return Advice("; ".join(words)) if words else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeBudget:
    """Holds a network to a number of spikes per sample, the first measure of what it would cost on a chip.

    Args: spikes: of all layers together, on average per held-out sample. then: what to do when there are more.
        after: epochs to learn before it counts.
    """

    spikes: float
    then: Literal["warn", "stop", "raise"] = "warn"
    after: int = 0

    def __post_init__(self) -> None:
        if not self.spikes > 0:
            raise ConfigError("SpikeBudget.spikes", expected="a number > 0", got=str(self.spikes))
        if self.then not in ("warn", "stop", "raise"):
            raise ConfigError("SpikeBudget.then", expected='"warn", "stop" or "raise"', got=repr(self.then))

    def __call__(self, epoch: Epoch) -> Advice | None:
        """Compare; raises BudgetError if told to."""
        spent = total_spikes(epoch.activity)
        if epoch.number <= self.after or spent <= self.spikes:
            return None
        if self.then == "raise":
            raise BudgetError(
                f"epoch {epoch.number}",
                expected=f"at most {self.spikes:g} spikes per sample",
                got=f"{spent:.4g}",
                mend="Raise thresholds, penalise spikes, or raise the budget.",
            )
        return Advice(f"{spent:.4g} spikes per sample, over the budget of {self.spikes:g}", stop=self.then == "stop")
