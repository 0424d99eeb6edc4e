"""A published system: paper, model, recipe and claim, as one value that the catalogue and the command line can hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import nn

from ranvier.core.claim import Claim

Family = Literal[
    "training", "vision", "events", "language", "generative", "memory", "reservoir", "circuits", "signals", "hardware"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Where a system was published."""

    title: str
    authors: str
    year: int
    venue: str
    identifier: str  # "arXiv:1706.02609" or "doi:10.3389/fnins.2018.00331"


class Watcher(Protocol):
    """Who is told how a training goes; the command line shows it, tests ignore it."""

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        """Note that ``fraction`` of the work is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A published system.

    Args:
        name: as typed at the shell. title: in words. family: the folder it lives in. paper: where it was published.
        config: the default configuration, a frozen dataclass of plain values; ``--set train.epochs=3`` changes a copy.
        build: makes the untrained network of a config.
        train: ``train(config, folder, watch)`` trains in a run folder, or goes on where the folder's newest checkpoint
            stands, and leaves metrics, checkpoints and results there. It returns "", or the name of the signal that
            interrupted it ("SIGINT", "SIGTERM"), after which the folder can be resumed.
        claim: what it must show.
        classifier: ``classifier(task, train)`` is the configuration with which it learns a set of still images (see
            ``systems.vision.images``) by a given recipe, so that several can be compared; None: it cannot.
    """

    name: str
    title: str
    family: Family
    paper: Paper
    config: Any
    build: Callable[[Any], nn.Module]
    train: Callable[[Any, Path, Watcher], str]
    claim: Claim
    classifier: Callable[[Any, Any], Any] | None = None
