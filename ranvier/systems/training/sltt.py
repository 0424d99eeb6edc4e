"""SLTT: a spiking network trained by back-propagation in space alone, one step at a time, beside BPTT.

Source: Meng, Xiao, Yan, Wang, Lin and Luo 2023, ICCV, arXiv:2302.14311. LIF neurons whose potentials decay fast
(tau = 1.1) carry so little credit through time that it can be left out; then each step is back-propagated as it comes,
and what is kept for the way back does not grow with the number of steps. SLTT-K does so at K random steps of each batch
only (``num_backward``).

The claim trains the same network by SLTT, SLTT-K and BPTT on event recordings, and another on images; it asks for equal
accuracy, and that four times as many steps take no more memory. The control is BPTT itself. ``CIFAR10`` and ``DVS`` are
the recipes of the paper (Cutout is left out), ``CIFAR10_SMALL`` is that of the claim, for a CPU.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.reset import Subtract
from ranvier.core.rule import Rule
from ranvier.core.seeds import derive
from ranvier.core.surrogates.triangle import Triangle
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.augment import Affine
from ranvier.data.frames import NumWindows
from ranvier.data.loader import Hold, Loader, preload, same
from ranvier.data.sets import cifar10, nmnist
from ranvier.measure import About, saved_bytes
from ranvier.neurons import LIF
from ranvier.nn import preact_resnet, vgg
from ranvier.nn.vgg import VGG11
from ranvier.rules import BPTT, OTTT, SLTT
from ranvier.systems import supervised
from ranvier.train import SGD, Train, Trainer
from ranvier.train.losses import TET

CLASSES = {"nmnist": nmnist.CLASSES, "cifar10": cifar10.CLASSES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The network, the data and the rule.

    Args:
        rule: "sltt"; "bptt", the same network and loss with credit through time; "ottt", with traces of inputs.
        num_backward: K of SLTT-K, steps of each batch that are back-propagated; None: all. rescale: by T / K then.
        data: "nmnist", the embedded recordings; "found", N-MNIST in RANVIER_DATA; "cifar10", there too.
        limit: only so many samples of each split, the first ones; None: all.
        num_steps: T. shrink: each shrink x shrink pixels of a recording become one.
        model: "vgg" of ``plan`` or "resnet18". plan: channels of the convolutions, "P" for pooling.
        norm: "batch", of each step; "weight", standardised weights, as OTTT has it. dropout: of a whole sequence.
        tau: of the neurons, steps; a potential keeps 1 - 1 / tau of itself from a step to the next.
        alpha: share of the squared error to 1 in the loss; the rest is cross-entropy.
        shift: pixels by which training recordings are moved at most; training images are turned over half of the time.
        compare: whether ``measure`` trains by SLTT-K too, and ``CIFAR10_SMALL`` by all three.
    """

    seed: int = 0
    rule: Literal["sltt", "bptt", "ottt"] = "sltt"
    num_backward: int | None = None
    rescale: bool = False
    data: Literal["nmnist", "found", "cifar10"] = "nmnist"
    limit: int | None = None
    num_steps: int = 6
    shrink: int = 2
    model: Literal["vgg", "resnet18"] = "vgg"
    plan: tuple[int | Literal["P"], ...] = (16, "P", 32, "P")
    norm: Literal["batch", "weight"] = "batch"
    dropout: float = 0.0
    tau: float = 1.1
    alpha: float = 0.05
    shift: float = 1.5
    compare: bool = False
    batch_size: int = 32
    train: Train = field(default_factory=lambda: Train(epochs=12, optimiser=SGD(lr=0.05, weight_decay=5e-4)))

    def __post_init__(self) -> None:
        require_counts("sltt: ", self, "num_backward", "limit", "num_steps", "shrink", "batch_size")
        if self.num_backward is not None and (self.rule != "sltt" or self.num_backward > self.num_steps):
            expected = "None, or at most num_steps with rule=sltt"
            raise ConfigError("sltt: num_backward", expected=expected, got=str(self.num_backward))
        if not self.tau >= 1:
            raise ConfigError("sltt: tau", expected="a time constant >= 1 step", got=str(self.tau))
        if not 0 <= self.dropout < 1:
            raise ConfigError("sltt: dropout", expected="a share in [0, 1)", got=str(self.dropout))

    @property
    def size(self) -> tuple[int, int, int]:
        """Channels, height and width of a frame."""
        if self.data == "cifar10":
            return 3, 32, 32
        side = -(-nmnist.SIZE[0] // self.shrink)
        return 2, side, side


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Turn an image (C, H, W) over, left to right, half of the time."""

    def __call__(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Return the image or its mirror image."""
        return image.flip(-1) if bool(torch.rand((), generator=generator) < 0.5) else image


def build(config: Config) -> nn.Module:
    """Build the untrained network: frames (T, B, C, H, W) in, scores (T, B, K) of each step out."""
    neuron = LIF(
        tau_m=config.tau, decay_input=False, discretisation="euler", reset=Subtract(), surrogate=Triangle()
    )  # fmt: skip
    num_classes = len(CLASSES["cifar10" if config.data == "cifar10" else "nmnist"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        if config.model == "resnet18":
            channels = config.size[0]
            return preact_resnet(neuron, num_classes=num_classes, in_channels=channels, dropout=config.dropout)
        return vgg(
            config.plan, neuron, size=config.size, num_classes=num_classes, norm=config.norm, dropout=config.dropout,
            pooled=7 if config.plan == VGG11 else None,
        )  # fmt: skip


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    return supervised.train(_trainer(config), folder, watch, _about(config))


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed, and by BPTT from the same, and judge both on samples that were held out.

    Returns: "accuracy"; "gap", of BPTT's accuracy above it; "slope", what each further T steps add to the memory that
        is held for the way back, as a share of that for T (0: constant, 1: proportional to time); "saved_kib", that
        memory for one batch of T steps; "saved_of_bptt", its share of BPTT's; "rate", spikes a neuron and step;
        "energy_nj", of the synaptic operations for a sample. With ``compare`` also those of ``compared``.

    Raises: KeyboardInterrupt, with the name of the signal, if told to stop.
    """
    config = replace(config, seed=seed)
    plain = replace(config, rule="bptt", num_backward=None)
    parts = (1.0 if config == plain else 0.5) * (0.25 if config.compare else 1.0)
    trainer = _trainer(config)
    last = supervised.fit(trainer, lambda done, words: progress(done * parts, words))
    whole = last["test_accuracy"]
    if config != plain:
        progress(parts, "by BPTT")
        whole = supervised.fit(_trainer(plain), lambda done, words: progress(parts + done * parts, words))[
            "test_accuracy"
        ]
    assert trainer.test is not None
    inputs_TB, targets_B = next(iter(trainer.train.batches(0)))
    now, longer = (held(trainer, inputs_TB.repeat(n, 1, 1, 1, 1), targets_B) for n in (1, 4))
    of_bptt = held(replace(trainer, rule=BPTT()), inputs_TB, targets_B)
    tested_TB, _ = next(iter(trainer.test.batches(0)))
    found = {
        "accuracy": last["test_accuracy"],
        "gap": whole - last["test_accuracy"],
        "slope": (longer / now - 1) / 3,
        "saved_kib": now / 1024,
        "saved_of_bptt": now / of_bptt,
        "rate": last["rate"],
        "energy_nj": supervised.energy_nj(trainer.net, tested_TB),
    }
    if not config.compare:
        return found
    return {**found, **compared(config, replace(CIFAR10_SMALL, seed=seed), lambda d, w: progress(0.25 + 0.75 * d, w))}


def compared(config: Config, images: Config, progress: Progress) -> dict[str, float]:
    """Train by SLTT-K on the data of ``config``, and on ``images`` by SLTT, SLTT-K and BPTT; K is ``FEW``.

    Returns: the accuracies: "few"; "cifar10", "cifar10_few", "cifar10_bptt".
    """
    asked = {
        "few": replace(config, num_backward=FEW),
        "cifar10": images,
        "cifar10_few": replace(images, num_backward=FEW),
        "cifar10_bptt": replace(images, rule="bptt"),
    }
    found = {}
    for number, (name, one) in enumerate(asked.items()):
        trainer, tell = _trainer(one), supervised.part(progress, number, len(asked), name)
        supervised.fit(replace(trainer, test=None), tell)  # judging each epoch would cost as much as training
        accuracy = trainer.judge().accuracy
        assert accuracy is not None
        found[name] = accuracy
    return found


def held(trainer: Trainer, inputs_TB: Tensor, targets_B: Tensor) -> float:
    """Measure the bytes that are held for the way back, at their peak, while a rule goes through a batch."""
    inputs_TB = inputs_TB.contiguous()
    trainer.net.zero_grad()
    with torch.random.fork_rng(devices=[]), saved_bytes(but=[*trainer.net.parameters(), inputs_TB]) as saved:
        trainer.rule.accumulate(trainer.net.train(), inputs_TB, targets_B, trainer.loss)
    return float(saved.peak)


def _rule(config: Config) -> Rule:
    if config.rule == "bptt":
        return BPTT()
    return OTTT() if config.rule == "ottt" else SLTT(num_backward=config.num_backward, rescale=config.rescale)


def _trainer(config: Config) -> Trainer:
    samples = {split: _samples(config, split) for split in ("train", "test")}
    augment: Any
    encode: Any
    if config.data == "cifar10":
        encode, augment = Hold(num_steps=config.num_steps), Mirror()
    else:
        duration, num = nmnist.DURATION_MS, config.num_steps
        encode = NumWindows(num=num, duration=duration, start=0.0, values="counts", shrink=config.shrink)
        augment = Affine(shift=config.shift)
    held_out = samples["test"] if config.data == "cifar10" else preload(samples["test"], encode)
    return Trainer(
        net=build(config),
        rule=_rule(config),
        loss=TET(lam=config.alpha),
        train=Loader(
            samples=samples["train"], encode=encode, augment=augment, batch_size=config.batch_size, seed=config.seed
        ),
        test=Loader(
            samples=held_out, encode=encode if config.data == "cifar10" else same, batch_size=100, shuffle=False
        ),
        config=config.train,
        seed=config.seed,
    )


def _samples(config: Config, split: Any) -> Any:
    sets: dict[str, Any] = {"nmnist": nmnist.sample, "found": nmnist.load, "cifar10": cifar10.load}
    found: Any = sets[config.data](split)
    if config.limit is None or config.limit >= len(found):
        return found
    return found.take(np.arange(config.limit))


def _about(config: Config) -> About:
    name = "CIFAR-10" if config.data == "cifar10" else "N-MNIST"
    how = {"sltt": "SLTT", "bptt": "BPTT", "ottt": "OTTT"}[config.rule]
    how += "" if config.num_backward is None else f"-{config.num_backward}"
    return About(
        title=f"{how} on {name}",
        summary=f"A spiking network trained by {how} on {len(_samples(config, 'train'))} samples of {config.num_steps} "
        f"steps, judged on {len(_samples(config, 'test'))} others.",
        seed=config.seed,
        class_names=CLASSES["cifar10" if config.data == "cifar10" else "nmnist"],
    )


FEW = 2  # K of the SLTT-K that ``measure`` compares
K2 = Config(num_backward=FEW)
SHORT = Config(train=Train(epochs=3, optimiser=SGD(lr=0.05, weight_decay=5e-4)))
CIFAR10_SMALL = Config(
    data="cifar10", limit=3000, num_steps=4, plan=(16, "P", 32, "P", 64, "P"), batch_size=64,
    train=Train(epochs=6, optimiser=SGD(lr=0.1, weight_decay=5e-5)),
)  # fmt: skip
CIFAR10 = Config(
    data="cifar10", model="resnet18", batch_size=128,
    train=Train(epochs=200, optimiser=SGD(lr=0.1, weight_decay=5e-5), precision="bfloat16"),
)  # fmt: skip
DVS = Config(
    data="found", num_steps=10, shrink=1, plan=VGG11, dropout=0.3, batch_size=128,
    train=Train(epochs=300, optimiser=SGD(lr=0.05, weight_decay=5e-4), precision="bfloat16"),
)  # fmt: skip


def _images_too(m: Measured) -> bool:
    """Tell whether SLTT and SLTT-K stay near BPTT on images: margins of three times what chance does to a difference.

    An accuracy of about a half over 3,000 images has a standard error of 0.009, a difference of two 0.013; half of the
    steps may cost more.
    """
    best = m["cifar10_bptt"]
    return m["cifar10"] >= max(0.4, best - 0.04) and m["cifar10_few"] >= best - 0.06


SYSTEM = System(
    name="sltt",
    title="Spatial learning through time",
    family="training",
    paper=Paper(
        title="Towards Memory- and Time-Efficient Backpropagation for Training Spiking Neural Networks",
        authors="Meng, Xiao, Yan, Wang, Lin and Luo",
        year=2023,
        venue="ICCV",
        identifier="arXiv:2302.14311",
    ),
    config=Config(),
    build=build,
    train=train,
    claim=Claim(
        sentence="Training memory does not grow with the number of time steps, at the accuracy of BPTT.",
        measure=measure,
        passes=lambda m: m["slope"] < 0.05 and m["gap"] <= 0.05 and m["accuracy"] >= 0.7 and _images_too(m),
        config=Config(compare=True),
        control=Config(rule="bptt"),
        published={"saved_of_bptt": "memory -70 %, time -50 % on ImageNet (abstract)"},
        minutes=8.0,
        fast=Fast(
            config=SHORT,
            control=replace(SHORT, rule="bptt"),
            passes=lambda m: m["slope"] < 0.05 and m["gap"] <= 0.15 and m["accuracy"] >= 0.45,
        ),
    ),
)
