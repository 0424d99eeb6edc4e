"""Spikformer: a vision transformer of spikes, whose self-attention needs no softmax.

Source: Zhou, Zhu, He, Wang, Yan, Tian and Yuan 2023, "Spikformer: When Spiking Neural Network Meets Transformer", ICLR,
arXiv:2209.15425. Spiking patch splitting (SPS): four convolutions, each with batch norm and neurons, some with max
pooling of the spikes. Blocks: x = x + SSA(x), x = x + MLP(x), where spikes are added, so that x counts in whole numbers
up to 2 + 2 depth. The mean over positions is read out at every step, the mean over steps decides.

For the swaps of the STEP benchmark (Shen et al. 2025, arXiv:2505.11151) the stem can be one convolution of patches, and
the attention can be random (queries and keys stay as they were drawn) or left out.
Letters: T time, B batch, C channels, H W space, K classes.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.augment import ImageAugment, MixImages
from ranvier.nn import SSA, Residual, Sequential, Spiking, conv_norm
from ranvier.systems.vision import classifier
from ranvier.systems.vision.classifier import NEURONS, NeuronName, let_learn
from ranvier.systems.vision.images import Images
from ranvier.train import AdamW, Cosine, Train, Trainer

SCALE = 0.125  # of the attention on still images, whatever the width of a head; 0.25 on event cameras


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """The network.

    Args:
        depth: blocks. channels: C, of a position; the stem has C/8, C/4, C/2 and C. heads: of the attention.
        ratio: width of an MLP's hidden layer over C.
        pools: which of the stem's convolutions (1 to 4) are followed by max pooling, each halving the image.
        stem: "sps", as published; "patch", one convolution that does not overlap and positions that are learned.
        attention: "ssa", as published; "random", queries and keys are not trained; "none", blocks are MLPs alone.
        neuron: of every layer: "lif", as published; "plif", a leak that each layer learns; "if", none.
        scale: of the attention. bias: whether the projections to Q, K and V have one.
        layer_norms: whether the two norms a block of the released code that nothing calls are there, to be counted.
    """

    depth: int = 4
    channels: int = 384
    heads: int = 12
    ratio: int = 4
    pools: tuple[int, ...] = (3, 4)
    stem: Literal["sps", "patch"] = "sps"
    attention: Literal["ssa", "random", "none"] = "ssa"
    neuron: NeuronName = "lif"
    scale: float = SCALE
    bias: bool = True
    layer_norms: bool = False

    def __post_init__(self) -> None:
        require_counts("spikformer: net.", self, "depth", "heads", "ratio")
        if self.channels < 8 or self.channels % 8 or self.channels % self.heads:
            expected = f"a multiple of 8 and of the {self.heads} heads"
            raise ConfigError("spikformer: net.channels", expected=expected, got=str(self.channels))
        if len(set(self.pools)) < len(self.pools) or not set(self.pools) <= {1, 2, 3, 4}:
            raise ConfigError("spikformer: net.pools", expected="numbers from 1 to 4, each once", got=str(self.pools))

    @property
    def patch(self) -> int:
        """Pixels along a side of what one position stands for."""
        return int(2 ** len(self.pools))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Network, task and recipe.

    Args: label_smoothing: share of the target that is spread over all classes.
    """

    seed: int = 0
    net: Net = field(default_factory=Net)
    task: Images = field(default_factory=Images)
    label_smoothing: float = 0.1
    train: Train = field(default_factory=Train)

    def __post_init__(self) -> None:
        if self.task.side % self.net.patch:
            expected = f"images whose side is a multiple of {self.net.patch} pixels"
            mend = "Set task.pad, or net.pools."
            raise ConfigError("spikformer: task", expected=expected, got=str(self.task.side), mend=mend)


class Position(nn.Module):
    """Adds a learned value, zero at first, at every place of a map (B, C, H, W)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, side, side))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Add them."""
        return x_BCHW + self.weight


def network(net: Net, *, channels: int, side: int, num_classes: int) -> Sequential:
    """Build the network with what weights torch draws: images (T, B, channels, side, side) in, (T, B, K) out."""
    made = Sequential(
        {
            "stem": _sps(net, channels) if net.stem == "sps" else _patch(net, channels, side // net.patch),
            **{f"block{number}": _block(net) for number in range(1, net.depth + 1)},
            "pool": nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten(),
            "head": nn.Linear(net.channels, num_classes),
        }
    )
    let_learn(made)
    for module in made.modules():
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return made


def _sps(net: Net, channels: int) -> Sequential:
    layers: dict[str, nn.Module] = {}
    widths = (channels, net.channels // 8, net.channels // 4, net.channels // 2, net.channels)
    for number in range(1, 5):
        # Neurons before the pooling: spikes are pooled, and the maximum of spikes is their OR.
        unit: list[nn.Module] = [conv_norm(widths[number - 1], widths[number], 3), _neurons(net)]
        if number in net.pools:
            unit.append(nn.MaxPool2d(3, stride=2, padding=1))
        layers[f"conv{number}"] = Sequential(*unit)
    layers["position"] = Residual(Sequential(conv_norm(net.channels, net.channels, 3), _neurons(net)))
    return Sequential(layers)


def _patch(net: Net, channels: int, side: int) -> Sequential:
    conv = nn.Conv2d(channels, net.channels, net.patch, stride=net.patch, bias=False)
    return Sequential(conv, nn.BatchNorm2d(net.channels), _neurons(net), Position(net.channels, side))


def _block(net: Net) -> Sequential:
    width, hidden = net.channels, net.ratio * net.channels
    parts: dict[str, nn.Module] = {}
    if net.attention != "none":
        ssa = SSA(
            width, heads=net.heads, neuron=NEURONS[net.neuron], scale=net.scale,
            project=lambda inside, outside: conv_norm(inside, outside, bias=net.bias),
            out=lambda inside, outside: conv_norm(inside, outside, bias=True),
        )  # fmt: skip
        if net.attention == "random":
            for frozen in (ssa.query, ssa.key):
                frozen.requires_grad_(requires_grad=False)
        parts["attention"] = Residual(Sequential(ssa, _neurons(net)))
    parts["mlp"] = Residual(
        Sequential(
            conv_norm(width, hidden, bias=True), _neurons(net), conv_norm(hidden, width, bias=True), _neurons(net)
        )
    )
    if net.layer_norms:
        parts["unused"] = _Unused(nn.LayerNorm(width), nn.LayerNorm(width))
    return Sequential(parts)


class _Unused(nn.Module):
    """Holds layers that nothing calls."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the input."""
        return x


def _neurons(net: Net) -> nn.Module:
    return Spiking(NEURONS[net.neuron])


def build(config: Config) -> nn.Module:
    """Build the untrained network of a config; its seed alone decides the weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        task = config.task
        return network(config.net, channels=task.channels, side=task.side, num_classes=len(task.classes))


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    trainer = _trainer(config)
    return classifier.train(trainer, folder, watch, classifier.about("Spikformer", config.task, trainer))


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed and judge on held-out images; see ``classifier.measure``."""
    return classifier.measure(_trainer(replace(config, seed=seed)), progress)


def _trainer(config: Config) -> Trainer:
    return classifier.trainer(
        build(config), config.task, config.train, seed=config.seed, label_smoothing=config.label_smoothing
    )


# The published shapes and, for CIFAR-10, recipe (without its RandAugment). Only CIFAR-10 is among our sets.
IMAGENET = Net(depth=8, channels=512, heads=8, pools=(1, 2, 3, 4), bias=False)
DVS = Net(depth=2, channels=256, heads=16, pools=(1, 2, 3, 4), bias=False, scale=0.25)
CIFAR10 = Config(
    net=Net(depth=4, channels=384, heads=12),
    task=Images(
        source="cifar10", steps=4, batch_size=128, augment=ImageAugment(shift=4, flip=0.5, erase=0.25),
        mix=MixImages(mixup=0.5, epochs=200),
    ),
    train=Train(
        epochs=300, optimiser=AdamW(lr=5e-4, weight_decay=0.06), schedule=Cosine(warmup=20 / 300, floor=0.02),
    ),
)  # fmt: skip

SMALL = Config(
    net=Net(depth=2, channels=64, heads=4, pools=(1,)),
    task=Images(
        source="mnist", limit=2000, test_limit=500, steps=2, shrink=2, batch_size=50, augment=ImageAugment(shift=2)
    ),
    train=Train(epochs=6, optimiser=AdamW(lr=3e-3)),
)
PATCHES = replace(SMALL, net=replace(SMALL.net, stem="patch"))
FAST = replace(
    SMALL, net=replace(SMALL.net, depth=1), task=replace(SMALL.task, limit=1500, test_limit=300),
)  # fmt: skip

SYSTEM = System(
    name="spikformer",
    title="Spikformer",
    family="vision",
    paper=Paper(
        title="Spikformer: When Spiking Neural Network Meets Transformer",
        authors="Zhou, Zhu, He, Wang, Yan, Tian and Yuan",
        year=2023,
        venue="ICLR",
        identifier="arXiv:2209.15425",
    ),
    config=SMALL,
    build=build,
    train=train,
    claim=Claim(
        sentence="A stem of spiking convolutions, not the attention behind it, carries what a Spikformer sees.",
        measure=measure,
        passes=lambda measured: measured["accuracy"] >= 0.6,
        config=SMALL,
        control=PATCHES,
        published={
            "accuracy": "95.12 % (CIFAR-10, stem of the paper); 78.21 % (one convolution of patches), arXiv:2505.11151"
        },
        minutes=3.5,
        fast=Fast(
            config=FAST,
            control=replace(FAST, net=replace(FAST.net, stem="patch")),
            passes=lambda measured: measured["accuracy"] >= 0.47,
            minutes=0.7,
        ),
    ),
    classifier=lambda task, train: replace(SMALL, net=replace(SMALL.net, pools=(3, 4)), task=task, train=train),
)
