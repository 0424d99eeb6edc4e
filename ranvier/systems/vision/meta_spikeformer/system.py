"""Meta-SpikeFormer: one spike-driven backbone that classifies, detects and segments.

Source: Yao, Hu, Hu, Xu, Zhou, Tian, Xu and Li 2024, "Spike-driven Transformer V2", ICLR, arXiv:2404.03663. Stages of
convolution and of attention are joined by membrane shortcuts, which add real-valued currents; every weight but those of
the first layer then sees zeros and ones, so that weights are only ever added. Models and blocks: ``model``; heads:
``dense``.

The claim: shortcuts of membranes, not of spikes, are what makes such a network learn while it stays spike-driven. The
control has the same layers with "vanilla" shortcuts, which carry spikes: spike-driven too, but what a block knows must
pass a threshold before the next.

Published figures: abstract of arXiv:2404.03663 (top-1 on ImageNet-1K with 55 million parameters, with distillation).
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ranvier.core.claim import Claim, Measured, Progress
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive
from ranvier.core.system import Paper, System, Watcher
from ranvier.data import ImageAugment
from ranvier.nn import Sequential, Taught
from ranvier.report.schema import Headline
from ranvier.rules import BPTT
from ranvier.runs import Run, weights
from ranvier.systems import supervised
from ranvier.systems.vision import classifier as images
from ranvier.systems.vision.images import Images
from ranvier.systems.vision.meta_spikeformer import judge, model
from ranvier.systems.vision.meta_spikeformer.boxes import DetectionLoss, Grid
from ranvier.systems.vision.meta_spikeformer.dense import FIRST, Detector, Segmenter
from ranvier.systems.vision.meta_spikeformer.model import Model
from ranvier.systems.vision.meta_spikeformer.scenes import NUM_CLASSES, SceneBatches, SceneTask, segmentation_loss
from ranvier.systems.vision.meta_spikeformer.spikes import binary_share, inference_energy_nj
from ranvier.systems.vision.meta_spikeformer.teacher import Teacher
from ranvier.train import LAMB, AdamW, Cosine, Train, Trainer

SMALL = Model(widths=(16, 16, 32, 64, 64), blocks=(1, 1, 1, 2, 1), strides=(2, 1, 2, 1, 1), heads=4, start="threshold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The network, what it is to do, and the recipe.

    Args:
        goal: "classify" ``images``, or "detect" or "segment" digits in ``scenes``.
        width: channels of the pyramid that detection and segmentation read.
        teacher: of a model with ``distil``: a conventional network that learns first.
        begin: a run folder whose newest weights the network starts from, such as one with fewer time steps; "": none.
        label_smoothing: of the classes.
    """

    seed: int = 0
    goal: Literal["classify", "detect", "segment"] = "classify"
    model: Model = SMALL
    images: Images = field(default_factory=lambda: Images(steps=1, augment=ImageAugment(shift=3, flip=0.5)))
    scenes: SceneTask = field(default_factory=SceneTask)
    width: int = 32
    teacher: Teacher = field(default_factory=Teacher)
    begin: str = ""
    label_smoothing: float = 0.1
    train: Train = field(
        default_factory=lambda: Train(
            epochs=20, optimiser=AdamW(lr=1e-2, weight_decay=0.05), schedule=Cosine(), clip=1.0
        )
    )

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError("meta-spikeformer: width", expected="at least 1 channel", got=str(self.width))
        if not 0 <= self.label_smoothing < 1:
            got = str(self.label_smoothing)
            raise ConfigError("meta-spikeformer: label_smoothing", expected="a share in [0, 1)", got=got)
        if self.model.distil and self.goal != "classify":
            mend = "Set model.distil=false."
            raise ConfigError("meta-spikeformer: goal", expected="classify, to distil", got=self.goal, mend=mend)
        if self.goal == "detect":
            _grid(self)


def build(config: Config) -> nn.Module:
    """Build the untrained network.

    Returns: pictures (T, B, C, H, W) in; logits (T, B, K) out, or (T, B, K, H, W) to segment, (T, B, P, K + 4) to
        detect: see ``model.classifier`` and ``dense``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        if config.goal == "classify":
            shape = {"in_channels": config.images.channels, "num_classes": len(config.images.classes)}
            return model.classifier(config.model, **shape)
        kind, num_classes = (Detector, NUM_CLASSES) if config.goal == "detect" else (Segmenter, NUM_CLASSES + 1)
        net: nn.Module = kind(config.model, in_channels=1, num_classes=num_classes, width=config.width)
        return Sequential({config.goal: net})


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    trainer = _trainer(config)
    if config.goal == "classify":
        name = "Meta-SpikeFormer"
        return supervised.train(trainer, folder, watch, images.about(name, config.images, trainer))
    outcome = trainer.fit(Run.open(folder), watch=watch)
    if outcome.state == "interrupted":
        return outcome.words
    figures = _figures(config, trainer)
    headlines = tuple(
        Headline(label=label, value=figures[name]) for name, label in judge.LABELS.items() if name in figures
    )
    judge.results(config.goal, trainer, headlines, seed=config.seed).write(folder)
    return ""


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed and judge on pictures that were held out.

    Returns: "accuracy" of classes, "map50" of boxes or "miou" of pixels; "binary", the share of layers behind the first
        whose inputs are zeros and ones only; "rate", spikes a neuron and step; "energy_nj", of the synaptic operations
        for a picture, as deployed.
    Raises: KeyboardInterrupt, with the name of the signal, if told to stop.
    """
    config = replace(config, seed=seed)
    trainer = _trainer(config)
    last = supervised.fit(trainer, progress)
    figures = {"accuracy": last["test_accuracy"]} if config.goal == "classify" else _figures(config, trainer)
    net = trainer.net.student if isinstance(trainer.net, Taught) else trainer.net
    assert trainer.test is not None
    inputs_TB, _ = next(iter(trainer.test.batches(0)))
    binary, energy = binary_share(net, inputs_TB), inference_energy_nj(net, inputs_TB)
    return {**figures, "binary": binary, "rate": last["rate"], "energy_nj": energy}


def classify(task: Images, recipe: Train) -> Config:
    """Return the configuration that learns a set of images by a given recipe; see ``System.classifier``."""
    return Config(images=task, train=recipe)


def _trainer(config: Config) -> Trainer:
    net = build(config)
    if config.begin:
        run = Run.open(Path(config.begin))
        found = run.newest()
        if found is None:
            raise ConfigError("meta-spikeformer: begin", expected="a run with a checkpoint", got=config.begin)
        weights.load(net, found.checkpoint.tree["net"], where=config.begin)
    if config.goal == "classify":
        trainer = images.trainer(
            net, config.images, config.train, seed=config.seed, label_smoothing=config.label_smoothing
        )
        return config.teacher.beside(trainer, config.images, config.label_smoothing) if config.model.distil else trainer
    scenes = {
        split: SceneBatches.of(config.scenes, split, config.goal, seed=config.seed) for split in ("train", "test")
    }
    loss = DetectionLoss(grid=_grid(config), num_classes=NUM_CLASSES) if config.goal == "detect" else segmentation_loss
    return Trainer(
        net=net, rule=BPTT(), loss=loss, train=scenes["train"], test=scenes["test"], config=config.train,
        seed=config.seed,
    )  # fmt: skip


def _figures(config: Config, trainer: Trainer) -> dict[str, float]:
    """Judge boxes or maps on all held-out scenes."""
    if config.goal == "detect":
        return {"map50": judge.map50(trainer, _grid(config))}
    return {"miou": judge.miou(trainer)}


def _grid(config: Config) -> Grid:
    side = config.scenes.layout.side
    found = config.model.sides(side)[FIRST]
    if side % found:
        expected = f"strides of the first stages that divide the scenes' side of {side} pixels"
        raise ConfigError("meta-spikeformer: model.strides", expected=expected, got=str(config.model.strides))
    return Grid(side=found, stride=side // found)


# The claim: a thousand digits of 14 x 14 pixels, one time step, few blocks.
CLAIM = Config(
    model=Model(
        widths=(16, 16, 16, 32, 32), blocks=(1, 0, 0, 2, 0), strides=(1, 2, 1, 1, 1), heads=4, start="threshold"
    ),
    images=Images(source="mnist", limit=1000, test_limit=1000, steps=1, shrink=2, batch_size=32),
    train=Train(epochs=6, optimiser=AdamW(lr=2e-2, weight_decay=0.05), schedule=Cosine(), clip=1.0),
)

# All of CIFAR-10 that is there: hours on a laptop.
CIFAR10 = Config()

# Digits in scenes of 48 x 48 pixels: the finest map has places of 4 pixels to detect, of 2 to segment.
DETECT = Config(
    goal="detect",
    model=Model(
        widths=(16, 24, 32, 48, 48), blocks=(1, 1, 0, 1, 0), strides=(2, 2, 2, 1, 1), heads=4, start="threshold"
    ),
    scenes=SceneTask(num_train=1000, num_test=200, batch_size=16),
    train=Train(epochs=10, optimiser=AdamW(lr=1e-2, weight_decay=0.05), schedule=Cosine(), clip=1.0),
)
SEGMENT = replace(DETECT, goal="segment", model=replace(DETECT.model, strides=(2, 1, 2, 2, 1)))

# The published recipes, for whoever has the data and the machines: one step from scratch, then four steps on top
# (``begin``, ``images.steps=4``, ``model.distil=true``). The rates are those of batches of 1024 and 192 pictures.
RECIPE_T1 = Train(
    epochs=200, optimiser=LAMB(lr=2.4e-3), schedule=Cosine(warmup=10 / 200, floor=1e-6 / 2.4e-3), precision="bfloat16"
)
RECIPE_T4 = Train(
    epochs=50, optimiser=LAMB(lr=1.5e-5), schedule=Cosine(warmup=5 / 50, floor=1e-6 / 1.5e-5), precision="bfloat16"
)

SYSTEM = System(
    name="meta-spikeformer",
    title="Meta-SpikeFormer (Spike-driven Transformer V2)",
    family="vision",
    paper=Paper(
        title="Spike-driven Transformer V2: Meta Spiking Neural Network Architecture Inspiring the Design of "
        "Next-generation Neuromorphic Chips",
        authors="Yao, Hu, Hu, Xu, Zhou, Tian, Xu and Li",
        year=2024,
        venue="International Conference on Learning Representations",
        identifier="arXiv:2404.03663",
    ),
    config=CLAIM,
    build=build,
    train=train,
    claim=Claim(
        sentence="Shortcuts of membranes let a network learn whose weights, behind the first layer, see binary spikes.",
        measure=measure,
        passes=lambda measured: measured["accuracy"] >= 0.7 and measured["binary"] == 1.0,
        config=CLAIM,
        control=replace(CLAIM, model=replace(CLAIM.model, shortcut="vanilla")),
        published={"ImageNet-1K": "80.0 %"},
        minutes=2.0,
    ),
    classifier=classify,
)
