"""Spikformer V2: a convolutional stem for the spiking transformer, and pre-training on images without labels.

Source: Zhou, Che, Fang, Tian, Zhu, Yan, Tian and Yuan 2024, "Spikformer V2: Join the High Accuracy Club on ImageNet
with an SNN Ticket", arXiv:2401.02020. The spiking convolutional stem (SCS) halves the image by convolutions of stride 2
in place of max pooling, each followed by blocks that widen and narrow the channels; residuals add membrane currents, so
that a neuron comes first in every branch and weights see spikes alone. Pre-training hides patches and asks for their
pixels (``masked_autoencoder``); then the encoder is trained further with a few labels.

No code of V2 was published. A RECONSTRUCTION, from the text and from relatives of the same authors, are: the kernels
(3 x 3), one stage for each halving, the number of blocks in a stage, the head (neurons, mean over positions, linear)
and the recipe of pre-training, which follows Spike-driven Transformer V3, with a mask token in its right place.

The claim: with few labels, an encoder that was pre-trained on images without labels answers better than one that was
not. The control trains from what was drawn.
Letters: T time, B batch, C channels, H W space, K classes, P values of a patch.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from ranvier.core.claim import Claim, Measured, Progress
from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive
from ranvier.core.system import Paper, System, Watcher
from ranvier.data.augment import MixImages
from ranvier.data.masking import MaskedBatches, Masking
from ranvier.nn import SSA, Residual, Sequential, Spiking, conv_norm
from ranvier.rules import BPTT
from ranvier.runs import Run
from ranvier.systems import supervised
from ranvier.systems.config import to_plain
from ranvier.systems.vision import classifier
from ranvier.systems.vision.classifier import NEURON
from ranvier.systems.vision.images import Images
from ranvier.systems.vision.masked_autoencoder import Decoder, MaskedAutoencoder, hidden_error
from ranvier.train import AdamW, Train, Trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """The encoder and its head.

    Args:
        stages: channels of the stem at 1/2, 1/4, ... of the image's side; the last are those of the blocks.
        convolutions: blocks of the stem (SCB) at each stage.
        depth: attention blocks. heads: of the attention. ratio: width of hidden layers over C, in SCBs and MLPs.
        scale: of the attention.
    """

    stages: tuple[int, ...] = (64, 128, 256, 512)
    convolutions: tuple[int, ...] = (1, 1, 1, 1)
    depth: int = 8
    heads: int = 8
    ratio: int = 4
    scale: float = 0.125

    def __post_init__(self) -> None:
        require_counts("spikformer-v2: net.", self, "depth", "heads", "ratio")
        if not self.stages or min(self.stages) < 1 or self.stages[-1] % self.heads:
            expected = f"numbers >= 1, the last a multiple of the {self.heads} heads"
            raise ConfigError("spikformer-v2: net.stages", expected=expected, got=str(self.stages))
        if len(self.convolutions) != len(self.stages) or min(self.convolutions) < 0:
            expected = f"{len(self.stages)} numbers >= 0, one a stage"
            raise ConfigError("spikformer-v2: net.convolutions", expected=expected, got=str(self.convolutions))

    @property
    def patch(self) -> int:
        """Pixels along a side of what one position stands for."""
        return int(2 ** len(self.stages))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """Training without labels: which images, how much of each is hidden, and how.

    Args: images: their labels are not looked at. ratio: share of the patches that is hidden. decoder: thrown away
        afterwards. train: the recipe.
    """

    images: Images = field(default_factory=lambda: Images(steps=1, batch_size=256))
    ratio: float = 0.5
    decoder: Decoder = field(default_factory=Decoder)
    train: Train = field(default_factory=lambda: Train(epochs=200, optimiser=AdamW(lr=1.5e-4, weight_decay=0.05)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Network, pre-training, task and recipe.

    Args:
        pretrained: whether there is pre-training at all. pretraining: how.
        layer_decay: the learning rate of a block is that of the block after it times this, from the head backwards;
            the stem counts as one block.
        label_smoothing: share of the target that is spread over all classes.
    """

    seed: int = 0
    net: Net = field(default_factory=Net)
    pretrained: bool = True
    pretraining: Pretraining = field(default_factory=Pretraining)
    task: Images = field(default_factory=Images)
    layer_decay: float = 1.0
    label_smoothing: float = 0.1
    train: Train = field(default_factory=Train)

    def __post_init__(self) -> None:
        for name, task in (("task", self.task), ("pretraining.images", self.pretraining.images)):
            if task.side % self.net.patch:
                expected = f"images whose side is a multiple of {self.net.patch} pixels"
                mend = f"Set {name}.pad, or net.stages."
                raise ConfigError(f"spikformer-v2: {name}", expected=expected, got=str(task.side), mend=mend)
        images = self.pretraining.images
        if self.pretrained and (self.task.channels, self.task.side) != (images.channels, images.side):
            expected = f"images of {self.task.channels} x {self.task.side} x {self.task.side}, as the task has"
            got = f"{images.channels} x {images.side} x {images.side}"
            raise ConfigError("spikformer-v2: pretraining.images", expected=expected, got=got)
        if not 0 < self.layer_decay <= 1:
            got = str(self.layer_decay)
            raise ConfigError("spikformer-v2: layer_decay", expected="a factor in (0, 1]", got=got)


def encoder(net: Net, *, channels: int) -> Sequential:
    """Build the encoder: images (T, B, channels, H, W) to currents (T, B, C, H / patch, W / patch)."""
    layers: dict[str, nn.Module] = {"stem": _scs(net, channels)}
    layers.update({f"block{number}": _block(net) for number in range(1, net.depth + 1)})
    return Sequential(layers)


def network(net: Net, *, channels: int, num_classes: int) -> Sequential:
    """Build encoder and head with what weights torch draws: (T, B, channels, H, W) in, (T, B, K) out."""
    made = Sequential(
        {
            "encoder": encoder(net, channels=channels),
            "neurons": Spiking(NEURON),
            "pool": nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten(),
            "head": nn.Linear(net.stages[-1], num_classes),
        }
    )
    for module in made.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    return made


def _scs(net: Net, channels: int) -> Sequential:
    layers: dict[str, nn.Module] = {}
    before = channels
    for number, (width, blocks) in enumerate(zip(net.stages, net.convolutions, strict=True), start=1):
        down = conv_norm(before, width, 3, stride=2)  # the first one sees the image itself, not spikes
        layers[f"down{number}"] = down if number == 1 else Sequential(Spiking(NEURON), down)
        for block in range(1, blocks + 1):
            layers[f"scb{number}_{block}"] = _widened(width, net.ratio, kernel=3)
        before = width
    return Sequential(layers)


def _block(net: Net) -> Sequential:
    width = net.stages[-1]
    ssa = SSA(width, heads=net.heads, neuron=NEURON, scale=net.scale)
    return Sequential(
        {"attention": Residual(Sequential(Spiking(NEURON), ssa)), "mlp": _widened(width, net.ratio, kernel=1)}
    )


def _widened(width: int, ratio: int, *, kernel: int) -> Residual:
    """C to ratio C and back, neurons first: the SCB with kernels of 3, the MLP with kernels of 1."""
    return Residual(
        Sequential(
            Spiking(NEURON), conv_norm(width, ratio * width, kernel),
            Spiking(NEURON), conv_norm(ratio * width, width, kernel),
        )
    )  # fmt: skip


def build(config: Config) -> nn.Module:
    """Build the untrained classifier of a config; its seed alone decides the weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "weights"))
        return network(config.net, channels=config.task.channels, num_classes=len(config.task.classes))


def pretrainer(config: Config, encoder: nn.Module) -> Trainer:
    """Make the trainer of an encoder on images without labels; the encoder is trained in place."""
    net, how = config.net, config.pretraining
    images, masking = how.images, Masking(patch=net.patch, ratio=how.ratio)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(config.seed, "decoder"))
        autoencoder = MaskedAutoencoder(
            encoder, channels=net.stages[-1], side=images.side // net.patch, values=images.channels * net.patch**2,
            decoder=how.decoder,
        )  # fmt: skip
    loader, held_out = replace(images, mix=MixImages()).train(config.seed), images.test()
    assert not hasattr(loader, "mix")
    return Trainer(
        net=autoencoder, rule=BPTT(), loss=hidden_error, config=how.train, seed=config.seed,
        train=MaskedBatches(loader=loader, masking=masking, seed=config.seed),
        test=MaskedBatches(loader=held_out, masking=masking, seed=0),
    )  # fmt: skip


def finetuner(config: Config, net: nn.Module) -> Trainer:
    """Make the trainer of the whole classifier on labelled images."""
    made = classifier.trainer(net, config.task, config.train, seed=config.seed, label_smoothing=config.label_smoothing)
    return replace(made, lr_scale=lambda name: lr_scale(config, name))


def lr_scale(config: Config, name: str) -> float:
    """Return layer_decay to the power of how many blocks lie between a parameter and the head."""
    parts = name.split(".")
    if parts[0] != "encoder":
        return 1.0
    number = 0 if parts[1] == "stem" else int(parts[1].removeprefix("block"))
    return float(config.layer_decay ** (config.net.depth + 1 - number))


def train(config: Config, folder: Path, watch: Watcher) -> str:
    """Pre-train in the folder ``pretraining`` of a run, then train in the run itself; see ``System.train``."""
    net = build(config)
    if config.pretrained:
        inside = folder / "pretraining"
        if not (inside / "config.json").exists():
            Run.create(inside, name="spikformer-v2: pretraining", config=to_plain(config))
        outcome = pretrainer(config, net.get_submodule("encoder")).fit(Run.open(inside), watch=watch)
        if outcome.state == "interrupted":
            return outcome.words
    trainer = finetuner(config, net)
    return classifier.train(trainer, folder, watch, classifier.about("Spikformer V2", config.task, trainer))


def measure(config: Config, seed: int, progress: Progress) -> Measured:
    """Pre-train if asked, then train on the labelled images and judge on held-out ones.

    Returns: as ``classifier.measure``; with pre-training also "reconstruction", the squared error of hidden patches of
        held-out images over that of the guess of each patch's own mean, 1.
    """
    config = replace(config, seed=seed)
    net, error = build(config), None
    parts = 1 + config.pretrained
    if config.pretrained:
        trainer = pretrainer(config, net.get_submodule("encoder"))
        supervised.fit(replace(trainer, test=None), supervised.part(progress, 0, parts, "masked"))
        error = reconstruction(trainer)
    measured = classifier.measure(finetuner(config, net), supervised.part(progress, parts - 1, parts))
    return measured if error is None else {**measured, "reconstruction": error}


@torch.no_grad()
def reconstruction(trainer: Trainer) -> float:
    """Return the squared error of hidden patches of held-out images, over that of guessing their means."""
    net, error, guess = trainer.net.eval(), 0.0, 0.0
    assert trainer.test is not None
    for inputs_TB, targets in trainer.test.batches(0):
        error += float(hidden_error(net(inputs_TB), targets)) * len(targets)
        guess += float(hidden_error(torch.zeros_like(targets[..., 1:]), targets)) * len(targets)
    return error / guess


# Of the published size (172 million parameters; the reconstruction has 174), and the recipe of its relatives.
V2_16_768 = Net(stages=(96, 192, 384, 768), depth=16, heads=12)

_DIGITS = Images(source="mnist", limit=3000, test_limit=1000, steps=1, shrink=2, pad=1, batch_size=50)
SMALL = Config(
    net=Net(stages=(16, 48), convolutions=(1, 0), depth=2, heads=4),
    pretraining=Pretraining(
        images=_DIGITS,
        decoder=Decoder(channels=48, depth=1, heads=4),
        train=Train(epochs=4, optimiser=AdamW(lr=3e-3)),
    ),
    task=replace(_DIGITS, limit=200, batch_size=20),
    train=Train(epochs=12, optimiser=AdamW(lr=2e-3)),
)

SYSTEM = System(
    name="spikformer-v2",
    title="Spikformer V2 (stem reconstructed)",
    family="vision",
    paper=Paper(
        title="Spikformer V2: Join the High Accuracy Club on ImageNet with an SNN Ticket",
        authors="Zhou, Che, Fang, Tian, Zhu, Yan, Tian and Yuan",
        year=2024,
        venue="arXiv",
        identifier="arXiv:2401.02020",
    ),
    config=SMALL,
    build=build,
    train=train,
    claim=Claim(
        sentence="With few labels, learning first to fill in hidden patches raises a spiking transformer's accuracy.",
        measure=measure,
        passes=lambda measured: measured["accuracy"] >= 0.24,
        config=SMALL,
        control=replace(SMALL, pretrained=False),
        published={"ImageNet, 16 layers, T=1, with pre-training": "81.10 %", "ImageNet, 8 layers, T=4": "80.38 %"},
        minutes=4.0,
    ),
    classifier=lambda task, train: replace(SMALL, pretrained=False, task=task, train=train),
)
