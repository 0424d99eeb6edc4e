"""One optimiser step: a few batches, a rule that leaves gradients, and weights that move."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, NonFiniteError, ShapeError
from ranvier.core.rule import Evaluation, Loss, Rule
from ranvier.core.seeds import derive
from ranvier.nn.compact import compact_spikes
from ranvier.train import average
from ranvier.train.average import Weights
from ranvier.train.config import Train
from ranvier.train.evaluate import autocast, decide, is_classes
from ranvier.train.ranks import Ranks

Batch = tuple[Tensor, Tensor]  # inputs (T, B, ...), targets (B, ...)


class Figures(NamedTuple):
    """What a step saw, over all its batches and ranks."""

    loss: float  # mean over samples
    right: int | None  # right decisions, None where targets are no classes
    seen: int  # samples
    lr: float
    grad_norm: float  # before clipping, of the last update


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepper:
    """Takes optimiser steps. Holds what they change: network, optimiser, moving average (None without one)."""

    net: nn.Module
    rule: Rule
    loss: Loss
    config: Train
    num_steps: int  # of the whole training
    device: torch.device
    ranks: Ranks
    optimiser: torch.optim.Optimizer
    average: Weights | None
    seed: int  # of every random choice in the steps, such as dropout

    @classmethod
    def make(
        cls,
        net: nn.Module,
        rule: Rule,
        loss: Loss,
        config: Train,
        *,
        num_steps: int,
        device: torch.device,
        seed: int = 0,
        lr_scale: Callable[[str], float] | None = None,
    ) -> "Stepper":
        """Make the optimiser and average that the config asks for. Raises: ConfigError if there is nothing to learn."""
        net.to(device)
        if not any(p.requires_grad for p in net.parameters()):
            raise ConfigError("Trainer.net", expected="at least one parameter that requires a gradient", got="none")
        ranks = Ranks.here()
        ranks.follow(net.state_dict().values())
        scales = {} if lr_scale is None else {p: lr_scale(name) for name, p in net.named_parameters()}
        return cls(
            net=net,
            rule=rule,
            loss=loss,
            config=config,
            num_steps=num_steps,
            device=device,
            ranks=ranks,
            optimiser=config.optimiser.build((p for p in net.parameters() if p.requires_grad), scales),
            average=None if config.ema is None else average.start(net),
            seed=seed,
        )

    def take(self, step: int, batches: Sequence[Batch]) -> Figures:
        """Take step number ``step`` (from 0) on the mean gradient over all samples of the batches.

        A rule that learns within a batch moves the weights several times; all its updates have the same learning rate.

        Raises: NonFiniteError, before any weight moves along it, if the loss or a gradient is NaN or infinite.
        """
        self.net.train()
        self.optimiser.zero_grad()
        num_samples = sum(check(*batch) for batch in batches)
        lr = self.config.optimiser.lr * self.config.schedule.factor(step, self.num_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["scale"]
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)  # loss, right decisions
        with seeded(derive(self.seed, "step", step, self.ranks.rank), self.device):
            works = [self._begin(batch, num_samples) for batch in batches]
            while not self._advance(works, sums):
                _check_finite(step, 0.0, self._gather([]))
                self.optimiser.step()
                self.optimiser.zero_grad()
        grad_norm = self._gather([sums])
        loss, right = sums.tolist()
        _check_finite(step, loss, grad_norm)
        self._finish(step)
        right_or_none = round(right) if is_classes(batches[0][1]) else None
        return Figures(loss=loss, right=right_or_none, seen=num_samples, lr=lr, grad_norm=grad_norm)

    def _begin(self, batch: Batch, num_samples: int) -> "_Work":
        inputs, targets = self.ranks.share(*batch)
        share = len(targets) / num_samples
        if not share:  # fewer samples than ranks: keep pace with the others, at no weight
            inputs, targets = batch[0][:, :1], batch[1][:1]
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        return _Work(self.rule.updates(self.net, inputs, targets, self.loss, scale=share), targets, share)

    def _advance(self, works: "Sequence[_Work]", sums: Tensor) -> bool:
        """Let the rule go on, in all batches, to where the weights should move. Returns: whether they are done."""
        done = False
        for work in works:
            memory = compact_spikes() if self.config.compact_spikes else nullcontext()
            # Autocast forgets its copies of the weights when it closes.
            with autocast(self.device, self.config.precision), memory:
                seen = next(work.updates)
            done = seen is not None
            if seen is not None and work.share:
                sums[0] += seen.loss.double() * work.share
                if is_classes(work.targets):
                    sums[1] += (decide(self.loss, seen.outputs) == work.targets).sum()
        return done

    def _gather(self, sums: Sequence[Tensor]) -> float:
        """Sum gradients and figures over the ranks, clip. Returns: the norm of the gradient before clipping."""
        learned = [p for group in self.optimiser.param_groups for p in group["params"]]
        for parameter in learned:
            if parameter.grad is None:  # not reached by this rank's samples; another rank's may have
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in learned]
        self.ranks.add_up([*gradients, *sums])
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.config.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(learned, self.config.clip, norm)
        return float(norm)

    def _finish(self, step: int) -> None:
        """Move the weights for the last time in this step, and what follows them."""
        self.optimiser.step()
        self.ranks.follow(self.net.buffers())  # running statistics of norms, which saw other samples on each rank
        if self.average is not None and self.config.ema is not None:
            average.update(self.average, self.net, decay=self.config.ema, step=step + 1)


class _Work(NamedTuple):
    """A rule on its way through a batch."""

    updates: Iterator[Evaluation | None]
    targets: Tensor  # of this rank
    share: float  # of this rank's samples of the batch in all samples of the step


def _check_finite(step: int, loss: float, grad_norm: float) -> None:
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        raise NonFiniteError(
            f"training step {step + 1}",
            expected="a finite loss and gradient",
            got=f"loss {loss:g}, norm of the gradient {grad_norm:g}",
            mend="Lower the learning rate, set Train.clip, or look for NaN in the data.",
        )


def check(inputs: Tensor, targets: Tensor) -> int:
    """Check the axes of a batch. Returns: its number of samples. Raises: ShapeError."""
    if inputs.ndim < 2 or inputs.shape[0] == 0 or targets.ndim < 1:
        raise ShapeError(
            "training batch",
            expected="inputs (T, B, ...) with at least one time step, and targets (B, ...)",
            got=f"{tuple(inputs.shape)} and {tuple(targets.shape)}",
        )
    if targets.shape[0] != inputs.shape[1] or targets.shape[0] == 0:
        raise ShapeError(
            "training batch",
            expected="as many targets as samples, at least one",
            got=f"{targets.shape[0]} targets for inputs (T, B, ...) = {tuple(inputs.shape)}",
            mend="Time comes first, then the batch.",
        )
    return targets.shape[0]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """While open, torch's global generators start from a seed; they are put back at the end.

    For torch's own modules, such as Dropout, that take no generator.
    """
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
