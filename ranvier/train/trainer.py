"""The trainer: batches in, a rule asked for gradients, weights moved, everything written so that it can go on.

A step depends on the weights, the batch and the number of the step only: batches come by epoch and number, random
choices (dropout) from a seed of the step, learning rates from a pure function. So a training that was killed and
resumed from its newest checkpoint ends with the same bits as one that ran through.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import torch
from torch import nn

from ranvier.core.errors import ConfigError, DataError
from ranvier.core.rule import Loss, Rule
from ranvier.core.system import Watcher
from ranvier.runs import Run
from ranvier.runs.metrics import Figure
from ranvier.train import average
from ranvier.train.activity import total_spikes
from ranvier.train.callbacks import Callback, Epoch
from ranvier.train.config import Train
from ranvier.train.evaluate import Judgement, evaluate
from ranvier.train.interrupts import Interrupts
from ranvier.train.loader import Loader
from ranvier.train.progress import Progress, from_tree, to_tree
from ranvier.train.step import Batch, Stepper


def silent(fraction: float, words: str, /, **figures: float) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a training ended.

    Args: state: "finished", every epoch done; "stopped", a callback ended it; "interrupted", SIGTERM or Ctrl-C did, and
        it can be resumed. step: optimiser steps taken. words: why, where there is more to say. history: the figures of
        each epoch, such as "train_loss", "test_accuracy".
    """

    state: Literal["finished", "stopped", "interrupted"]
    step: int
    words: str = ""
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """Trains a network.

    Args:
        net: any module from (T, B, ...) to (T, B, K). It is trained in place; with a moving average (``Train.ema``) it
            holds the average once training is complete.
        rule: turns batches into gradients. loss: a mean over the batch, such as those of ``ranvier.train.losses``.
        train: batches to learn from, whole ones on every rank. test: held-out batches, judged after each epoch; None:
            no judging.
        config: how. callbacks: asked after each epoch. device: where. seed: of every random choice in the steps, such
            as dropout.
        lr_scale: factor of the learning rate of a parameter, by its name; None: 1 for all.
    """

    net: nn.Module
    rule: Rule
    loss: Loss
    train: Loader
    test: Loader | None = None
    config: Train = field(default_factory=Train)
    callbacks: Sequence[Callback] = ()
    device: torch.device | str = "cpu"
    seed: int = 0
    lr_scale: Callable[[str], float] | None = None

    def fit(self, run: Run | None = None, *, watch: Watcher = silent) -> Outcome:
        """Train from where the run's newest checkpoint stands, or from the start, to the end.

        SIGTERM and Ctrl-C end it after the step under way, with a checkpoint. Under torch.distributed each rank calls
        this with the same arguments; rank 0 writes.

        Args: run: where to leave metrics and checkpoints; None: nowhere. watch: told after each step how it goes.
        Raises: NonFiniteError if a loss or gradient is NaN or infinite; RunError if the disk refuses; CheckpointError
            or ConfigError if the run is of another network or configuration. The newest checkpoint stays good.
        """
        if self.train.num_batches < 1:
            raise ConfigError("Trainer.train", expected="a loader with at least one batch", got="no batches")
        if getattr(self.train, "world_size", 1) > 1:
            got = "one that gives each rank its part already"
            mend = "Build it with rank=0, world_size=1: the trainer parts the batches."
            raise ConfigError("Trainer.train", expected="a loader of whole batches", got=got, mend=mend)
        with Interrupts() as interrupts:
            return _Fit(self, run, watch, interrupts).go()

    def judge(self) -> Judgement:
        """Judge the network as it is on the held-out data. Raises: ConfigError without ``test``."""
        if self.test is None:
            raise ConfigError("Trainer.test", expected="a loader of held-out data", got="None")
        judgement = evaluate(self.net, self.test, self.loss, device=self.device, precision=self.config.precision)
        assert judgement is not None  # nobody asked it to leave
        return judgement


class _Fit:
    """One call of ``Trainer.fit``: what changes while it runs."""

    def __init__(self, trainer: Trainer, run: Run | None, watch: Watcher, interrupts: Interrupts) -> None:
        config = trainer.config
        self.trainer, self.watch, self.interrupts = trainer, watch, interrupts
        self.steps_per_epoch = math.ceil(trainer.train.num_batches / config.accumulate)
        self.num_steps = config.epochs * self.steps_per_epoch
        self.stepper = Stepper.make(
            trainer.net,
            trainer.rule,
            trainer.loss,
            config,
            num_steps=self.num_steps,
            device=torch.device(trainer.device),
            seed=trainer.seed,
            lr_scale=trainer.lr_scale,
        )
        self.ranks = self.stepper.ranks
        self.progress = Progress()
        self.kept = self.progress  # what the newest checkpoint holds
        if run is not None:
            self._restore(run)
        self.run = run if self.ranks.first else None
        self.saved_at = time.monotonic()
        self.clock = (time.monotonic(), self.progress.step)

    def _restore(self, run: Run) -> None:
        found = run.resume() if self.ranks.first else run.newest()
        self.ranks.wait()
        if found is None:
            return
        if found.refused and self.ranks.first:
            refused = "\n".join(map(str, found.refused))
            warnings.warn(f"Resuming from {found.path.name}, as newer checkpoints are broken:\n{refused}", stacklevel=5)
        stepper, tree = self.stepper, found.checkpoint.tree
        self.progress = self.kept = from_tree(
            tree,
            stepper.net,
            stepper.optimiser,
            stepper.average,
            stepper.config,
            seed=stepper.seed,
            where=str(found.path),
        )

    def go(self) -> Outcome:
        """Train to the end, or until interrupted."""
        complete = self._judge_if_due() and self._steps()
        self._save()
        if not complete:
            return self._outcome("interrupted", self.interrupts.received)
        if self.stepper.average is not None:
            average.put(self.trainer.net, self.stepper.average)
        return self._outcome("stopped" if self.progress.stopped else "finished", self.progress.stopped)

    def _outcome(self, state: Literal["finished", "stopped", "interrupted"], words: str) -> Outcome:
        return Outcome(state=state, step=self.progress.step, words=words, history=self.progress.history)

    def _steps(self) -> bool:
        """Take all steps that are left. Returns: False if interrupted."""
        while self.progress.step < self.num_steps and not self.progress.stopped:
            self.clock = (time.monotonic(), self.progress.step)
            for batches in self._groups(*divmod(self.progress.step, self.steps_per_epoch)):
                self._step(batches)
                complete = self._judge_if_due()
                self._save_if_due()
                if not complete or (self._asked() and not self._done()):
                    return False
        return True

    def _done(self) -> bool:
        return self.progress.step == self.num_steps or bool(self.progress.stopped)

    def _groups(self, epoch: int, done: int) -> Iterator[list[Batch]]:
        """Yield the batches of each step of an epoch that is left after ``done`` steps."""
        accumulate, loader = self.trainer.config.accumulate, self.trainer.train
        batches = loader.batches(epoch, start=done * accumulate)
        for step in range(done, self.steps_per_epoch):
            group = list(islice(batches, accumulate))
            if not group:
                got = f"{step * accumulate} of {loader.num_batches}"
                raise DataError("Trainer.train", expected=f"all batches of epoch {epoch}", got=got)
            yield group

    def _step(self, batches: Sequence[Batch]) -> None:
        before = self.progress
        epoch = before.step // self.steps_per_epoch + 1
        figures = self.stepper.take(before.step, batches)
        self.progress = now = before.after(figures)
        if self.run is not None and now.step % self.trainer.config.saving.log_steps == 0:
            shown = {"loss": figures.loss, "lr": figures.lr, "grad_norm": figures.grad_norm}
            self.run.log(step=now.step, epoch=epoch, **shown)
        self._tell(epoch, {**now.means(), "loss": figures.loss, "steps_per_s": self._speed()})

    def _tell(self, epoch: int, figures: Mapping[str, float | None], words: str = "") -> None:
        finite = {name: value for name, value in figures.items() if value is not None}
        words = words or f"epoch {epoch} of {self.trainer.config.epochs}"
        self.watch(self.progress.step / self.num_steps, words, **finite)

    def _speed(self) -> float:
        began, step = self.clock
        return (self.progress.step - step) / max(time.monotonic() - began, 1e-9)

    def _judge_if_due(self) -> bool:
        """Judge the epoch that has just ended, if one has. Returns: False if given up, to be done after a resume."""
        trainer, now = self.trainer, self.progress
        number = now.judged + 1
        if now.step < number * self.steps_per_epoch:
            return True
        speed = self._speed()
        figures, activity = now.means(), {}
        if trainer.test is not None:
            judgement = self._judgement(trainer.test)
            if judgement is None:
                return False
            figures, activity = {**figures, **_figures(judgement)}, judgement.activity
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        history = (*now.history, {"epoch": number, **finite})
        report = Epoch(number=number, step=now.step, history=history, activity=activity)
        advice = [said for callback in trainer.callbacks if (said := callback(report)) is not None]
        words = "; ".join(said.words for said in advice)
        stopped = "; ".join(said.words for said in advice if said.stop)
        self.progress = now.next_epoch(history=history, stopped=stopped)
        if self.run is not None:
            layers = {name: {"rate": a.rate, "dead": a.dead, "saturated": a.saturated} for name, a in activity.items()}
            more: dict[str, Figure] = {"layers": layers} if layers else {}
            if words:
                more["advice"] = words
            self.run.log(step=now.step, epoch=number, steps_per_s=speed, **finite, **more)
        self._tell(number, finite, words)
        return True

    def _judgement(self, test: Loader) -> Judgement | None:
        trainer, weights = self.trainer, self.stepper.average
        with nullcontext() if weights is None else average.inside(trainer.net, weights):
            return evaluate(
                trainer.net,
                test,
                trainer.loss,
                device=trainer.device,
                precision=trainer.config.precision,
                leave=self._asked,
            )

    def _asked(self) -> bool:
        """Whether any rank was asked to stop."""
        return self.ranks.any(bool(self.interrupts.received))

    def _save_if_due(self) -> None:
        saving = self.trainer.config.saving
        by_step = saving.steps is not None and self.progress.step % saving.steps == 0
        by_time = saving.seconds is not None and time.monotonic() - self.saved_at >= saving.seconds
        if by_step or by_time:
            self._save()

    def _save(self) -> None:
        """Write a checkpoint, unless the newest one holds the same."""
        if self.run is None or self.progress == self.kept:
            return
        stepper = self.stepper
        tree = to_tree(
            self.progress, stepper.net, stepper.optimiser, stepper.average, stepper.config, seed=stepper.seed
        )
        self.run.save(self.progress.step, tree)
        self.kept, self.saved_at = self.progress, time.monotonic()


def _figures(judgement: Judgement) -> dict[str, float]:
    figures = {"test_loss": judgement.loss}
    if judgement.accuracy is not None:
        figures["test_accuracy"] = judgement.accuracy
    layers = judgement.activity.values()
    if layers:
        num_neurons = sum(layer.num_neurons for layer in layers)
        figures["rate"] = sum(layer.rate * layer.num_neurons for layer in layers) / num_neurons
        figures["dead"] = sum(layer.dead * layer.num_neurons for layer in layers) / num_neurons
        figures["spikes_per_sample"] = total_spikes(judgement.activity)
    return figures
