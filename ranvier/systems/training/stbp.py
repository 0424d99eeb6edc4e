"""STBP: a convolutional spiking network trained by spatio-temporal back-propagation, on event-camera recordings.

Source: Wu, Deng, Li, Zhu and Shi 2018, arXiv:1706.02609, Front. Neurosci. 12:331: leaky integrate-and-fire layers,
unrolled in time and differentiated with a rectangle for the spike's derivative (eq. 24), error in space and time.
Here: soft reset, arctan derivative, batch norm and a leaky read-out with cross-entropy in place of a rate code with
squared error, which learn from a few hundred recordings in minutes.

The claim takes the paper's name at its word. Of each recording's three saccades the first two are exchanged or not, and
the network must say, after the third, which: the last saccade looks the same either way, so whoever learns from the
present alone cannot know. The control is back-propagation in space only.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from ranvier.core.claim import Claim, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.core.seeds import derive
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.augment import Affine, Chain, Dropout
from ranvier.data.events import Events
from ranvier.data.frames import NumWindows
from ranvier.data.loader import LabelledSet, Loader, preload, same
from ranvier.data.sets import nmnist
from ranvier.measure import About
from ranvier.neurons import LIF, LeakyIntegrator
from ranvier.nn import Sequential, Spiking
from ranvier.rules import BPTT
from ranvier.systems import supervised
from ranvier.train import AdamW, OneCycle, Train, Trainer
from ranvier.train.losses import MembraneCrossEntropy

SACCADE_US = 105_000
NUM_SACCADES = 3
CLASSES = {"digit": nmnist.CLASSES, "order": ("as recorded", "exchanged")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The network, the task and the recipe.

    Args:
        task: "digit", which digit was seen; "order", whether the first two saccades were exchanged.
        recordings: "embedded", the sample that comes with the package; "found", what lies in RANVIER_DATA.
        limit: only so many recordings of each split, the first ones; None: all.
        num_frames: time steps, of 315 ms / num_frames each. shrink: each shrink x shrink pixels become one.
        values: of a pixel in a frame, its "counts" of events or "binary".
        channels: of the 3 x 3 convolutions, each followed by LIF neurons and 2 x 2 max pooling.
        norm: "batch", over batch, time and space; "none".
        tau_m, tau_readout: membrane time constants, ms. dropout: share of the read-out's inputs, drawn at each step.
        augment: by how much training recordings are moved, turned, stretched and slanted.
        drop_events: up to this share of their events, drawn for each, is dropped.
        horizon: steps through which gradients flow back in time; None: all.
    """

    seed: int = 0
    task: Literal["digit", "order"] = "digit"
    recordings: Literal["embedded", "found"] = "embedded"
    limit: int | None = None
    num_frames: int = 5
    shrink: int = 2
    values: Literal["counts", "binary"] = "counts"
    channels: tuple[int, ...] = (32, 64)
    norm: Literal["batch", "none"] = "batch"
    tau_m: float = 100.0
    tau_readout: float = 400.0
    dropout: float = 0.3
    augment: Affine = field(default_factory=lambda: Affine(shift=1.5, angle=12.0, scale=0.12, shear=0.12))
    drop_events: float = 0.2
    batch_size: int = 32
    label_smoothing: float = 0.1
    horizon: int | None = None
    train: Train = field(
        default_factory=lambda: Train(epochs=40, optimiser=AdamW(lr=2e-3), schedule=OneCycle(peak=0.15))
    )

    def __post_init__(self) -> None:
        require_counts("stbp: ", self, "limit", "num_frames", "shrink", "batch_size")
        if not self.channels or min(self.channels) < 1:
            raise ConfigError("stbp: channels", expected="at least one number >= 1", got=str(self.channels))
        if self.side < 1:
            mend = "Use fewer channels or a smaller shrink."
            raise ConfigError("stbp: channels", expected="pixels left after pooling", got=str(self.channels), mend=mend)
        if not 0 <= self.dropout < 1:
            raise ConfigError("stbp: dropout", expected="a share in [0, 1)", got=str(self.dropout))
        if not 0 <= self.drop_events <= 1:
            raise ConfigError("stbp: drop_events", expected="a share in [0, 1]", got=str(self.drop_events))
        if self.task == "order" and self.num_frames % NUM_SACCADES:
            mend = "A frame must not hold parts of two saccades."
            raise ConfigError("stbp: num_frames", expected="a multiple of 3", got=str(self.num_frames), mend=mend)

    @property
    def dt(self) -> float:
        """Length of a time step, ms."""
        return NUM_SACCADES * SACCADE_US / 1000 / self.num_frames

    @property
    def side(self) -> int:
        """Pixels along one side of the last feature maps."""
        side = -(-nmnist.SIZE[0] // self.shrink)
        for _ in self.channels:
            side //= 2
        return side


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Each recording twice: as it is, label 0, and with its first two saccades exchanged, label 1."""

    recordings: LabelledSet[Events]

    def __len__(self) -> int:
        return 2 * len(self.recordings)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        events, _ = self.recordings[index // 2]
        return (exchange(events), 1) if index % 2 else (events, 0)


def exchange(events: Events) -> Events:
    """Exchange the first and the second saccade of a recording."""
    first, second = events.between(0, SACCADE_US), events.between(SACCADE_US, 2 * SACCADE_US)
    rest = events[events.t >= 2 * SACCADE_US]
    parts = (second, first, rest)
    t = np.concatenate([second.t - SACCADE_US, first.t + SACCADE_US, rest.t])
    x, y, polarity = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "polarity"))
    return Events(t, x, y, polarity, events.size)


def build(config: Config) -> nn.Module:
    """Build the untrained network: frames (T, B, 2, H, W) in, potentials of the read-out (T, B, K) out."""
    lif = LIF(tau_m=config.tau_m, decay_input=False, reset=Subtract())
    layers: dict[str, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        before = 2
        for number, channels in enumerate(config.channels, start=1):
            layers[f"conv{number}"] = nn.Conv2d(before, channels, 3, padding=1, bias=config.norm == "none")
            if config.norm == "batch":
                layers[f"norm{number}"] = nn.BatchNorm2d(channels)
            layers[f"lif{number}"] = Spiking(lif, dt=config.dt)
            layers[f"pool{number}"] = nn.MaxPool2d(2)
            before = channels
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(config.dropout)
        layers["linear"] = nn.Linear(before * config.side**2, len(CLASSES[config.task]))
    layers["readout"] = Spiking(LeakyIntegrator(tau_m=config.tau_readout), dt=config.dt)
    return Sequential(layers)


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    trainer = _trainer(config)
    return supervised.train(trainer, folder, watch, _about(config))


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed and judge on recordings that were held out.

    Returns: "accuracy", share of right answers; "rate", spikes a neuron and step, which shows that nothing fell silent;
        "energy_nj", of the synaptic operations for a recording.

    Raises: KeyboardInterrupt, with the name of the signal, if told to stop.
    """
    trainer = _trainer(replace(config, seed=seed))
    last = supervised.fit(trainer, progress)
    assert trainer.test is not None
    inputs_TB, _ = next(iter(trainer.test.batches(0)))
    energy = supervised.energy_nj(trainer.net, inputs_TB)
    return {"accuracy": last["test_accuracy"], "rate": last["rate"], "energy_nj": energy}


def _trainer(config: Config) -> Trainer:
    framing = NumWindows(
        num=config.num_frames, duration=nmnist.DURATION_MS, start=0.0, values=config.values, shrink=config.shrink
    )
    return Trainer(
        net=build(config),
        rule=BPTT(horizon=config.horizon),
        loss=MembraneCrossEntropy(at="last", label_smoothing=config.label_smoothing),
        train=Loader(
            samples=_samples(config, "train"),
            encode=framing,
            augment=Chain((config.augment, Dropout(most=config.drop_events))),
            batch_size=config.batch_size,
            seed=config.seed,
        ),
        test=Loader(samples=preload(_samples(config, "test"), framing), encode=same, batch_size=100, shuffle=False),
        config=config.train,
        seed=config.seed,
    )


def _samples(config: Config, split: Literal["train", "test"]) -> LabelledSet[Events]:
    found = nmnist.sample(split) if config.recordings == "embedded" else nmnist.load(split)
    if config.limit is not None:
        found = found.take(np.arange(min(config.limit, len(found))))
    return Orders(recordings=found) if config.task == "order" else found


def _about(config: Config) -> About:
    num_train, num_test = len(_samples(config, "train")), len(_samples(config, "test"))
    return About(
        title="STBP on N-MNIST" + (" (order of saccades)" if config.task == "order" else ""),
        summary=f"A spiking network of {len(config.channels)} convolutions, trained by back-propagation through space "
        f"and time on {num_train} event recordings, judged on {num_test} others.",
        seed=config.seed,
        dt_ms=config.dt,
        class_names=CLASSES[config.task],
    )


ORDER = Config(
    task="order",
    num_frames=9,
    shrink=2,
    channels=(8, 16),
    tau_m=30.0,
    tau_readout=100.0,
    values="binary",
    dropout=0.0,
    augment=Affine(shift=1.0),
    drop_events=0.0,
    train=Train(epochs=10, optimiser=AdamW(lr=6e-3), schedule=OneCycle(peak=0.15)),
)

SYSTEM = System(
    name="stbp",
    title="Spatio-temporal back-propagation",
    family="training",
    paper=Paper(
        title="Spatio-Temporal Backpropagation for Training High-Performance Spiking Neural Networks",
        authors="Wu, Deng, Li, Zhu and Shi",
        year=2018,
        venue="Frontiers in Neuroscience 12:331",
        identifier="arXiv:1706.02609",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="Credit that flows back through time is what lets a network learn from the order of events.",
        measure=measure,
        passes=lambda measured: measured["accuracy"] >= 0.83,
        config=ORDER,
        control=replace(ORDER, horizon=1),
        minutes=1.0,
    ),
)
