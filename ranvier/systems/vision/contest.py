"""Several image classifiers under one recipe, as the STEP platform compares them.

Source: Shen et al. 2025, "STEP: A Unified Spiking Transformer Evaluation Platform for Fair and Reproducible
Benchmarking", arXiv:2505.11151. A system takes part that says how it learns a set of images (``System.classifier``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ranvier.core.claim import Measured, Progress
from ranvier.core.errors import ConfigError
from ranvier.core.system import System
from ranvier.measure import parameters
from ranvier.systems import supervised
from ranvier.systems.vision.classifier import NeuronName
from ranvier.systems.vision.images import Images
from ranvier.train import AdamW, Train


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What all have in common: images, recipe and seeds.

    Args: neuron: of every layer, see ``classifier.NEURONS``; other than "lif" only where ``net.neuron`` can be chosen.
    Raises: ConfigError without a seed.
    """

    task: Images = field(default_factory=lambda: Images(source="mnist", limit=2000, test_limit=1000, pad=2))
    train: Train = field(default_factory=lambda: Train(epochs=5, optimiser=AdamW(lr=2e-3)))
    neuron: NeuronName = "lif"
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ConfigError("contest: seeds", expected="at least one", got="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one system did: parameters it learned, and the figures of each seed."""

    parameters: int
    measured: tuple[Measured, ...]

    def mean(self, figure: str) -> float:
        """Return the mean of a figure over the seeds."""
        return sum(measured[figure] for measured in self.measured) / len(self.measured)


def compete(system: System, contest: Contest, progress: Progress) -> Score:
    """Train a system by the contest's recipe from each seed.

    Raises: ConfigError if it classifies no images, or if its neurons cannot be those of the contest.
    """
    if system.classifier is None:
        got = f"{system.name!r}, which does not say how"
        raise ConfigError("contest", expected="systems that learn sets of images", got=got)
    config: Any = system.classifier(contest.task, contest.train)
    if contest.neuron != "lif":
        if not hasattr(getattr(config, "net", None), "neuron"):
            got = f"{system.name!r}, whose neurons are fixed"
            raise ConfigError("contest: neuron", expected="systems whose neurons can be chosen", got=got)
        config = replace(config, net=replace(config.net, neuron=contest.neuron))
    measured = []
    for index, seed in enumerate(contest.seeds):
        tell = supervised.part(progress, index, len(contest.seeds), f"{system.name}, seed {seed}")
        measured.append(system.claim.measure(replace(config, seed=seed), seed, tell))
    return Score(parameters=sum(parameters(system.build(config)).values()), measured=tuple(measured))


def best(scores: Mapping[str, Score]) -> tuple[str, ...]:
    """Name those of whom no other is at least as accurate and as cheap, and better in one of both."""

    def beaten(mine: Score) -> bool:
        return any(
            other.mean("accuracy") >= mine.mean("accuracy")
            and other.mean("energy_nj") <= mine.mean("energy_nj")
            and (other.mean("accuracy"), other.mean("energy_nj")) != (mine.mean("accuracy"), mine.mean("energy_nj"))
            for other in scores.values()
        )

    return tuple(name for name, score in scores.items() if not beaten(score))
