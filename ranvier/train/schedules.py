"""Schedules of the learning rate: pure functions of how far training is, so there is nothing to save or restore."""

import math
from dataclasses import dataclass
from typing import Literal

from ranvier.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The learning rate stays."""

    kind: Literal["constant"] = "constant"

    def factor(self, step: int, num_steps: int) -> float:  # noqa: ARG002 - every schedule is asked alike
        """Return what the learning rate is multiplied with in step ``step`` (from 0) of ``num_steps``."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine:
    """Linear rise, then half a cosine down (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts).

    Args: warmup: share of all steps that the rise takes. floor: factor at the end.
    """

    kind: Literal["cosine"] = "cosine"
    warmup: float = 0.05
    floor: float = 0.0

    def __post_init__(self) -> None:
        _require_share("Cosine.warmup", self.warmup)
        _require_share("Cosine.floor", self.floor)

    def factor(self, step: int, num_steps: int) -> float:
        """Return what the learning rate is multiplied with in step ``step`` (from 0) of ``num_steps``."""
        rise = round(self.warmup * num_steps)
        if step < rise:
            return (step + 1) / rise
        return self.floor + (1 - self.floor) * _fall((step - rise) / max(num_steps - rise, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The learning rate drops by a factor at some points.

    Args: at: shares of training after which it drops, rising. by: what it is multiplied with at each.
    """

    kind: Literal["steps"] = "steps"
    at: tuple[float, ...] = (0.5, 0.75)
    by: float = 0.1

    def __post_init__(self) -> None:
        for share in self.at:
            _require_share("Steps.at", share)
        if not self.by > 0:
            raise ConfigError("Steps.by", expected="a factor > 0", got=repr(self.by))

    def factor(self, step: int, num_steps: int) -> float:
        """Return what the learning rate is multiplied with in step ``step`` (from 0) of ``num_steps``."""
        return self.by ** sum(step >= share * num_steps for share in self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCycle:
    """Up along half a cosine, then down (Smith and Topin 2018, arXiv 1708.07120; cosine for their straight lines).

    Args: peak: share of training after which it turns. start, end: factors at the two ends.
    """

    kind: Literal["onecycle"] = "onecycle"
    peak: float = 0.3
    start: float = 0.04
    end: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("peak", "start", "end"):
            _require_share(f"OneCycle.{name}", getattr(self, name))

    def factor(self, step: int, num_steps: int) -> float:
        """Return what the learning rate is multiplied with in step ``step`` (from 0) of ``num_steps``."""
        turn = self.peak * num_steps
        if step < turn:
            return 1 + (self.start - 1) * _fall(step / turn)
        return self.end + (1 - self.end) * _fall((step - turn) / max(num_steps - turn, 1))


Schedule = Constant | Cosine | Steps | OneCycle


def _fall(x: float) -> float:
    """Go from 1 at x = 0 to 0 at x = 1 along half a cosine."""
    return (1 + math.cos(math.pi * x)) / 2


def _require_share(where: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(where, expected="a share in [0, 1]", got=repr(share))
