"""How to train, as one frozen value that round-trips through JSON."""

from dataclasses import dataclass, field
from typing import Literal

from ranvier.core.errors import ConfigError
from ranvier.train.optimisers import AdamW, Optimiser
from ranvier.train.schedules import Cosine, Schedule

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """When to write what; none of it changes the weights.

    Args: steps, seconds: a checkpoint after so many optimiser steps or so much time, whichever comes first; None: not
        for that reason. log_steps: a line of metrics after so many steps.
    """

    steps: int | None = None
    seconds: float | None = 30.0
    log_steps: int = 10

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ConfigError("Saving.steps", expected="at least 1, or None", got=str(self.steps))
        if self.seconds is not None and not self.seconds >= 0:
            raise ConfigError("Saving.seconds", expected="a time >= 0 s, or None", got=str(self.seconds))
        if self.log_steps < 1:
            raise ConfigError("Saving.log_steps", expected="at least 1", got=str(self.log_steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """How to train.

    Args:
        epochs: passes over the training data.
        optimiser, schedule: descriptions. accumulate: batches that make one optimiser step.
        clip: largest norm of the gradient of a step; None: not clipped.
        precision: "bfloat16" runs matrix products in 16 bits (torch autocast); weights stay 32 bits.
        compact_spikes: keep what waits for the backward pass in few bits (``nn.compact_spikes``): less memory, the same
            results to the last bit.
        ema: decay a step of the moving average of the weights which is then what is judged; None: no average.
        saving: when to write checkpoints and metrics.
    """

    epochs: int = 10
    optimiser: Optimiser = field(default_factory=AdamW)
    schedule: Schedule = field(default_factory=Cosine)
    accumulate: int = 1
    clip: float | None = None
    precision: Precision = "float32"
    compact_spikes: bool = False
    ema: float | None = None
    saving: Saving = field(default_factory=Saving)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError("Train.epochs", expected="at least 1", got=str(self.epochs))
        if self.accumulate < 1:
            raise ConfigError("Train.accumulate", expected="at least 1 batch", got=str(self.accumulate))
        if self.clip is not None and not self.clip > 0:
            raise ConfigError("Train.clip", expected="a norm > 0, or None", got=str(self.clip))
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError("Train.precision", expected='"float32" or "bfloat16"', got=repr(self.precision))
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError("Train.ema", expected="a decay in (0, 1), or None", got=str(self.ema))
