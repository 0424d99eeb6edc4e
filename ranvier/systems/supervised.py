"""What every system that a Trainer trains does alike: train in a run folder, train for a claim, collect results.

Letters: T time, B batch, K classes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.core.claim import Progress
from ranvier.core.errors import ConfigError
from ranvier.core.system import Watcher
from ranvier.measure import About, Answers, collect, energy, operations
from ranvier.report import Results
from ranvier.runs import Run
from ranvier.train import Trainer
from ranvier.train.losses import Objective


def train(trainer: Trainer, folder: Path, watch: Watcher, about: About) -> str:
    """Train in a run folder, or go on where it stands, and leave results there; the contract of ``System.train``."""
    outcome = trainer.fit(Run.open(folder), watch=watch)
    if outcome.state == "interrupted":
        return outcome.words
    results(trainer, about).write(folder)
    return ""


def fit(trainer: Trainer, progress: Progress) -> Mapping[str, Any]:
    """Train for a claim, without a folder, and return the figures of the last epoch, such as "test_accuracy", "rate".

    Raises: KeyboardInterrupt, with the name of the signal, if told to stop.
    """

    def watch(fraction: float, words: str, /, **_: float) -> None:
        progress(fraction, words)

    outcome = trainer.fit(watch=watch)
    if outcome.state == "interrupted":
        raise KeyboardInterrupt(outcome.words)
    return outcome.history[-1]


def part(progress: Progress, index: int, parts: int, name: str = "") -> Progress:
    """Tell how far all of some equal parts are, from how far one of them is.

    Args: index: of that one, from 0. parts: how many there are. name: said before what is being done.
    """
    before = f"{name}: " if name else ""
    return lambda fraction, words: progress((index + fraction) / parts, before + words)


@torch.no_grad()
def results(trainer: Trainer, about: About) -> Results:
    """Collect what the report shows, from the first held-out batch; the confusion is that of all.

    Raises: ConfigError without held-out data, or if the loss cannot say what a network's outputs decide.
    """
    net, loss = trainer.net.eval(), trainer.loss
    if trainer.test is None or not isinstance(loss, Objective):
        got = "no test loader" if trainer.test is None else type(loss).__name__
        raise ConfigError("results", expected="held-out data and a loss of ranvier.train.losses", got=got)
    batches = list(trainer.test.batches(0))
    outputs = [net(inputs) for inputs, _ in batches]
    targets_B = torch.cat([targets for _, targets in batches])
    losses = [loss(o, targets) * len(targets) for o, (_, targets) in zip(outputs, batches, strict=True)]
    answers = Answers(
        predicted_B=torch.cat([loss.decide(o) for o in outputs]),
        targets_B=targets_B,
        loss=float(torch.stack(losses).sum()) / len(targets_B),
    )
    inputs_TB, first_B = batches[0]
    return collect(net, inputs_TB, first_B, about=about, answers=answers)


def energy_nj(net: nn.Module, inputs_TB: Tensor) -> float:
    """Estimate the energy of a sample's synaptic operations, nJ (45 nm, see ``ranvier.measure.energy``).

    A claim that reports it calls the figure "energy_nj".
    """
    return energy(operations(net, inputs_TB)).snn / 1000
