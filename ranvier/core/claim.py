"""Claims: what a published system says, as a measurement that can fail, beside a control that must."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ranvier.core.errors import ConfigError

Measured = Mapping[str, float]
Progress = Callable[[float, str], None]  # (fraction done, what is being done)
Verdict = Literal["holds", "open", "fails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fast:
    """The same claim at a size that one seed shows in well under a minute, for continuous integration.

    Args: config, control, passes: as of a claim. minutes: about how long claim and control take on one core.
    """

    config: Any
    control: Any
    passes: Callable[[Measured], bool]
    minutes: float = 0.5

    def __post_init__(self) -> None:
        if self.config == self.control:
            raise ConfigError("Fast.control", expected="a config with the mechanism off", got="the claim's own config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One executable claim.

    Args:
        sentence: the claim, in one sentence.
        measure: ``measure(config, seed, progress) -> {name: number}``; deterministic for a config and a seed.
        passes: whether the numbers of one seed bear the sentence out.
        config: the system as the claim is about it. control: the same with the mechanism off.
        seeds: at least three.
        published: the paper's figures, as printed there; empty where none could be sourced.
        state: "holds", or "open" where the sentence was not seen to hold at this scale; ``note`` gives the figures.
        minutes: about how long a check takes on two cores.
        fast: the claim in small; None: its first seed as it is, if that takes well under a minute.
    """

    sentence: str
    measure: Callable[[Any, int, Progress], Measured]
    passes: Callable[[Measured], bool]
    config: Any
    control: Any
    seeds: tuple[int, ...] = (0, 1, 2)
    published: Mapping[str, str] = field(default_factory=dict)
    state: Literal["holds", "open"] = "holds"
    note: str = ""
    minutes: float = 1.0
    fast: Fast | None = None

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < 3:
            raise ConfigError("Claim.seeds", expected="at least three different seeds", got=str(self.seeds))
        if self.config == self.control:
            raise ConfigError("Claim.control", expected="a config with the mechanism off", got="the claim's own config")
        if self.state == "open" and not self.note:
            raise ConfigError("Claim.note", expected="the figures that show why the claim is open", got="nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a check saw: the numbers of each seed, for the claim and for its control."""

    measured: tuple[Measured, ...]
    control: tuple[Measured, ...]


def judge(claim: Claim, outcome: Outcome) -> Verdict:
    """Judge a claim: it holds if every seed passes and the control fails at every seed.

    An ``open`` claim that does not hold stays open; any other that does not hold fails.
    """
    passed = all(claim.passes(m) for m in outcome.measured) and not any(claim.passes(m) for m in outcome.control)
    if passed:
        return "holds"
    return "open" if claim.state == "open" else "fails"
