"""Max-Former and Max-ResNet: spiking networks that are given back the high frequencies their neurons take away.

Source: Fang, Zhou, Wang, Ren, Zeng, Li, Zhou and Xu 2025, "Spiking Neural Networks Need High-Frequency Information",
NeurIPS, arXiv:2505.18608. A leaky membrane is a low-pass filter, h[n] = (1 / tau) (1 - 1 / tau)^n, whose gain falls
from 1 at rest to 1 / (2 tau - 1) at the highest frequency. The remedy: max pooling of currents where patches are
embedded, and depth-wise convolutions, not attention, as mixers of the early stages. Shortcuts carry currents.

The claim is about the paper's ablation of mixers: with the same embeddings and the same MLPs, max pooling of 3 x 3
positions leaves high frequencies in the currents that average pooling, the control, removes. That the former is also
more accurate, as the paper found on CIFAR-100 after 400 epochs, shows weakly in six epochs on 2,000 images of CIFAR-10:
0.392 against 0.378 in the mean of three seeds, better on two of them. Beside it a small Max-ResNet learns the same
images, its maps halved by the maximum in the claim and by the mean in the control.
Letters: T time, B batch, C channels, H W space, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.core.claim import Claim, Fast, Measured, Progress
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.augment import ImageAugment, MixImages
from ranvier.measure.spectrum import high_frequency_share
from ranvier.nn import SSA, Residual, Sequential, Spiking, conv_norm
from ranvier.systems.vision import classifier
from ranvier.systems.vision.classifier import NEURON
from ranvier.systems.vision.images import Images
from ranvier.train import AdamW, Cosine, Train, Trainer

Mixer = Literal["identity", "dwc3", "dwc5", "dwc7", "ssa", "max", "avg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """The network.

    Args:
        kind: "former", three stages of blocks of a mixer and an MLP; "resnet", Max-ResNet-18.
        channels: C of the last stage; the others have C/4 and C/2 (event cameras: C/2 in the first of two).
        stem: how the first stage embeds: "cifar", at full size; "imagenet", at a quarter; "dvs", at an eighth.
        mixers, blocks: of each stage. heads: of the attention. ratio: width of an MLP's hidden layer over C.
        widths: of the resnet: before the first block, then of its three stages. pools: what the resnet, and the
            embeddings of the former, pool currents with.
    """

    kind: Literal["former", "resnet"] = "former"
    channels: int = 384
    stem: Literal["cifar", "imagenet", "dvs"] = "cifar"
    mixers: tuple[Mixer, ...] = ("identity", "dwc3", "ssa")
    blocks: tuple[int, ...] = (1, 1, 2)
    heads: int = 8
    ratio: int = 4
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    pools: Literal["max", "avg"] = "max"

    def __post_init__(self) -> None:
        stages = 2 if self.stem == "dvs" else 3
        if len(self.mixers) != len(self.blocks) or len(self.blocks) != (stages if self.kind == "former" else 3):
            expected, got = f"{stages} mixers and {stages} numbers of blocks", f"{self.mixers} and {self.blocks}"
            raise ConfigError("max-former: net.mixers", expected=expected, got=got)
        if min(self.blocks) < 0 or min(self.widths) < 1:
            raise ConfigError("max-former: net.blocks", expected="numbers >= 0", got=str(self.blocks))
        if self.channels < 16 or self.channels % 16 or self.channels % self.heads:
            expected = f"a multiple of 16 and of the {self.heads} heads"
            raise ConfigError("max-former: net.channels", expected=expected, got=str(self.channels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Network, task and recipe.

    Args: label_smoothing: share of the target that is spread over all classes. resnet: a Max-ResNet that ``measure``
        trains by the same recipe too, and judges on the first ``resnet_test`` held-out images; None: none.
    """

    seed: int = 0
    net: Net = field(default_factory=Net)
    task: Images = field(default_factory=Images)
    label_smoothing: float = 0.1
    resnet: Net | None = None
    resnet_test: int = 2000
    train: Train = field(default_factory=Train)


def network(net: Net, *, channels: int, num_classes: int) -> Sequential:
    """Build the network with what weights torch draws: images (T, B, channels, H, W) in, (T, B, K) out."""
    body = _resnet(net, channels) if net.kind == "resnet" else _former(net, channels)
    width = net.widths[-1] if net.kind == "resnet" else net.channels
    # The mean over space of currents, then neurons (former); neurons, then the mean of their spikes (resnet).
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    read = nn.Linear(width, num_classes)
    head = [_lif(), *pool, read] if net.kind == "resnet" else [*pool, _lif(), read]
    made = Sequential({**body, "head": Sequential(*head)})
    for module in made.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    return made


def _former(net: Net, channels: int) -> dict[str, nn.Module]:
    count = len(net.blocks)
    widths = [net.channels // 2 ** (count - 1 - stage) for stage in range(count)]
    stems: dict[str, Callable[[int, int], nn.Module]]
    stems = {"cifar": _embed_cifar, "imagenet": _embed_imagenet, "dvs": partial(_embed_dvs, net)}
    layers: dict[str, nn.Module] = {"embed1": stems[net.stem](channels, widths[0])}
    for stage, (width, mixer, blocks) in enumerate(zip(widths, net.mixers, net.blocks, strict=True), start=1):
        if stage > 1:
            layers[f"embed{stage}"] = _embed(widths[stage - 2], width, net)
        layers |= {f"stage{stage}_{block}": _block(width, mixer, net) for block in range(1, blocks + 1)}
    return layers


def _block(width: int, mixer: Mixer, net: Net) -> Sequential:
    hidden = net.ratio * width
    mlp = Sequential(_lif(), conv_norm(width, hidden, bias=True), _lif(), conv_norm(hidden, width, bias=True))
    return Sequential({"mixer": _mixer(width, mixer, net), "mlp": Residual(mlp)})


def _mixer(width: int, mixer: Mixer, net: Net) -> nn.Module:
    if mixer == "identity":
        return nn.Identity()
    if mixer in ("max", "avg"):  # the ablation: neither shortcut nor neurons
        return _pool(mixer, stride=1)
    if mixer == "ssa":
        ssa = SSA(
            width, heads=net.heads, neuron=NEURON, out=lambda inside, outside: conv_norm(inside, outside, bias=True)
        )
        return Residual(Sequential(_lif(), ssa))
    return Residual(Sequential(_lif(), conv_norm(width, width, int(mixer[-1]), groups=width, bias=True)))


def _embed(before: int, width: int, net: Net) -> Sequential:
    """Halve the image: both ways, from the same spikes, are pooled as currents."""
    long = [conv_norm(before, width, 3), _pool(net.pools), _lif(), conv_norm(width, width, 3)]
    short = [conv_norm(before, width, 1), _pool(net.pools)]
    return Sequential(_lif(), Residual(Sequential(*long), Sequential(*short)))


def _embed_cifar(channels: int, width: int) -> Sequential:
    half = width // 2
    ways = [Sequential(_lif(), conv_norm(half, width, kernel)) for kernel in (3, 1)]
    return Sequential(conv_norm(channels, half, 3), Residual(*ways))


def _embed_imagenet(channels: int, width: int) -> Sequential:
    half = width // 2
    long = Sequential(conv_norm(half, width, 3, stride=2), _lif(), conv_norm(width, width, 3))
    return Sequential(
        conv_norm(channels, half, 3, stride=2), _lif(), Residual(long, conv_norm(half, width, 1, stride=2))
    )


def _embed_dvs(net: Net, channels: int, width: int) -> Sequential:
    eighth, quarter, half = width // 8, width // 4, width // 2
    long = [conv_norm(quarter, half, 3), _pool(net.pools), _lif(), conv_norm(half, width, 3), _pool(net.pools)]
    return Sequential(
        conv_norm(channels, eighth, 3), _lif(), conv_norm(eighth, quarter, 3), _pool(net.pools), _lif(),
        Residual(Sequential(*long), conv_norm(quarter, width, 1, stride=4)),
    )  # fmt: skip


def _resnet(net: Net, channels: int) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {"stem": conv_norm(channels, net.widths[0], 3)}
    before = net.widths[0]
    for stage, (width, blocks) in enumerate(zip(net.widths[1:], net.blocks, strict=True), start=1):
        for block in range(1, blocks + 1):
            halve = stage > 1 and block == 1
            first = [_lif(), conv_norm(before, width, 3), *([_pool(net.pools)] if halve else [])]
            branch = Sequential(*first, _lif(), conv_norm(width, width, 3))
            same = before == width and not halve
            # The shortcut reads currents, not spikes.
            layers[f"layer{stage}_{block}"] = Residual(
                branch, None if same else conv_norm(before, width, 1, stride=2 if halve else 1)
            )
            before = width
    return layers


def _pool(kind: str, *, stride: int = 2) -> nn.Module:
    if kind == "max":
        return nn.MaxPool2d(3, stride=stride, padding=1)
    return nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)


def _lif() -> Spiking:
    return Spiking(NEURON)


def build(config: Config) -> nn.Module:
    """Build the untrained network of a config; its seed alone decides the weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        return network(config.net, channels=config.task.channels, num_classes=len(config.task.classes))


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Train in a run folder; see ``System.train``."""
    trainer = _trainer(config)
    name = "Max-ResNet" if config.net.kind == "resnet" else "Max-Former"
    return classifier.train(trainer, folder, watch, classifier.about(name, config.task, trainer))


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Train from a seed and judge on held-out images.

    Returns: "high", the share of energy at high frequencies in the currents that the last stage but one gives
        (``high_frequency_share``); then as ``classifier.measure``. With ``resnet``, "resnet_accuracy", "resnet_high".
    """
    config = replace(config, seed=seed)
    if config.resnet is None:
        return _measure(config, progress)
    task = replace(config.task, test_limit=config.resnet_test)
    beside = replace(config, net=config.resnet, task=task)
    found = _measure(config, lambda fraction, words: progress(fraction / 2, words))
    other = _measure(beside, lambda fraction, words: progress((1 + fraction) / 2, f"resnet: {words}"))
    return {**found, **{f"resnet_{name}": other[name] for name in ("accuracy", "high")}}


def _measure(config: Config, progress: Progress) -> dict[str, float]:
    trainer = _trainer(config)
    found = classifier.measure(trainer, progress)
    assert trainer.test is not None
    inputs_TB, _ = next(iter(trainer.test.batches(0)))
    return {"high": high_frequency_share(_before_last_stage(trainer.net, inputs_TB)), **found}


@torch.no_grad()
def _before_last_stage(net: nn.Module, x_TB: Tensor) -> Tensor:
    assert isinstance(net, Sequential)
    names = [name for name, _ in net.named_children()]
    stage = max(name[:6] for name in names if name.startswith(("embed", "layer")))  # "embed3", "layer3"
    last = next(number for number, name in enumerate(names) if name.startswith(stage))
    layers = dict(list(net.named_children())[:last])
    maps: Tensor = Sequential(layers).eval()(x_TB)
    return maps


def _trainer(config: Config) -> Trainer:
    return classifier.trainer(
        build(config), config.task, config.train, seed=config.seed, label_smoothing=config.label_smoothing
    )


# Published shapes; "10" counts 1 + 2 + 7 blocks. The other two have 512 and 768 channels.
IMAGENET = Net(
    channels=384, stem="imagenet", mixers=("dwc7", "dwc5", "ssa"), blocks=(1, 2, 7), heads=6
)  # heads of 64 channels
DVS = Net(channels=256, stem="dvs", mixers=("dwc3", "ssa"), blocks=(1, 1), heads=16)
RESNET18 = Net(kind="resnet", blocks=(3, 3, 2))
CIFAR10 = Config(
    task=Images(
        source="cifar10", steps=4, batch_size=128, augment=ImageAugment(shift=4, flip=0.5, erase=0.25),
        mix=MixImages(mixup=0.5, epochs=200),
    ),
    train=Train(
        epochs=400, optimiser=AdamW(lr=1.5e-3, weight_decay=0.06),
        schedule=Cosine(warmup=20 / 400, floor=1e-5 / 1.5e-3),
    ),
)  # fmt: skip

SMALL = Config(
    net=Net(channels=96, mixers=("max", "max", "max"), blocks=(1, 1, 1)),
    task=Images(source="cifar10", limit=2000, test_limit=1000, steps=2, shrink=2, batch_size=50),
    train=Train(epochs=6, optimiser=AdamW(lr=3e-3)),
)
FAST = replace(
    SMALL,
    net=replace(SMALL.net, channels=32),
    task=Images(source="nmnist", steps=2, shrink=2, batch_size=58),
    train=Train(epochs=3, optimiser=AdamW(lr=5e-3)),
)

SMALL_RESNET = Net(kind="resnet", blocks=(1, 1, 1), widths=(16, 32, 48, 64))

SYSTEM = System(
    name="max-former",
    title="Max-Former and Max-ResNet",
    family="vision",
    paper=Paper(
        title="Spiking Neural Networks Need High-Frequency Information",
        authors="Fang, Zhou, Wang, Ren, Zeng, Li, Zhou and Xu",
        year=2025,
        venue="NeurIPS",
        identifier="arXiv:2505.18608",
    ),
    config=CIFAR10,
    build=build,
    train=train,
    claim=Claim(
        sentence="Mixing tokens by their maximum keeps high frequencies in the currents that their mean removes.",
        measure=measure,
        passes=lambda measured: measured["high"] >= 0.22 and measured["accuracy"] >= 0.25,
        config=replace(SMALL, resnet=SMALL_RESNET),
        control=replace(
            SMALL, net=replace(SMALL.net, mixers=("avg", "avg", "avg")), resnet=replace(SMALL_RESNET, pools="avg")
        ),
        published={"CIFAR-100, max against average pooling": "79.12 % against 76.73 %", "CIFAR-10": "97.04 %"},
        note="That it is more accurate too does not show at this size (three seeds: .367, .391, .419 by the maximum, "
        ".386, .373, .376 by the mean): the frequencies are the claim. Max-ResNet is more accurate by the maximum at "
        "every seed (.380, .398, .390 against .352, .370, .382; of two more seeds .379, .376 against .377, .367), but "
        "seeds differ by as much as pools do, and no bound parts the two.",
        minutes=12.0,
        fast=Fast(
            config=FAST,
            control=replace(FAST, net=replace(FAST.net, mixers=("avg", "avg", "avg"))),
            passes=lambda measured: measured["high"] >= 0.06,
        ),
    ),
    classifier=lambda task, train: replace(
        SMALL, net=replace(SMALL.net, mixers=("identity", "dwc3", "ssa")), task=task, train=train
    ),
)
