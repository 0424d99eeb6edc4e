"""One network, task after task: train on each, judge on all, in a folder from which it can go on.

Letters: J tasks learned, K tasks judged.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.system import Watcher
from ranvier.measure import Continual
from ranvier.runs import Run
from ranvier.train import Trainer
from ranvier.train.evaluate import evaluate

Step = Callable[[int], None]


def learn(
    trainers: Sequence[Trainer], *, begin: Step, end: Step, watch: Watcher, folder: Path | None = None
) -> Continual | str:
    """Train one network on a sequence of tasks.

    Every task is a training of its own, in ``folder/tasks/N``. To go on with a sequence that was stopped, start it
    again: tasks that are complete put back the weights they ended with, so it ends with the bits it would have had.

    Args:
        trainers: one a task, all of the same network and each with held-out data, which all tasks are judged on.
        begin, end: called with the number of a task before and after it is learned. They may change the network, and
            must do the same each time; shapes of its parameters and buffers stay.
        watch: told how far all tasks are. folder: where to leave checkpoints and metrics; None: nowhere.
    Returns: the accuracies; or the name of the signal that stopped it.
    Raises: ConfigError for trainers of several networks, or without held-out data that can be right or wrong.
    """
    nets = {trainer.net for trainer in trainers}
    if len(nets) != 1:
        raise ConfigError("learn", expected="trainers of one network", got=f"{len(nets)} networks")
    (net,) = nets
    untrained = _judge(net, trainers)
    rows: list[list[float]] = []
    for number, trainer in enumerate(trainers):
        begin(number)
        share = _Share(watch, number, len(trainers))
        outcome = trainer.fit(None if folder is None else _run(folder / "tasks" / str(number), number), watch=share)
        if outcome.state == "interrupted":
            return outcome.words
        end(number)
        rows.append(_judge(net, trainers))
    return Continual(np.array(rows), np.array(untrained))


def _run(folder: Path, number: int) -> Run:
    if (folder / "config.json").exists():
        return Run.open(folder)
    return Run.create(folder, name=f"task {number}", config={"task": number})


def _judge(net: nn.Module, trainers: Sequence[Trainer]) -> list[float]:
    found: list[float] = []
    for trainer in trainers:
        if trainer.test is None:
            raise ConfigError("learn", expected="held-out data of each task", got="a trainer without")
        judgement = evaluate(net, trainer.test, trainer.loss, device=trainer.device)
        if judgement is None or judgement.accuracy is None:
            raise ConfigError("learn", expected="classes as targets", got="targets that are none")
        found.append(judgement.accuracy)
    return found


class _Share:
    """Tells how far all tasks are, from how far one is."""

    def __init__(self, watch: Watcher, number: int, num: int) -> None:
        self.watch, self.number, self.num = watch, number, num

    def __call__(self, fraction: float, words: str, /, **figures: float) -> None:
        self.watch((self.number + fraction) / self.num, f"task {self.number + 1} of {self.num}: {words}", **figures)
