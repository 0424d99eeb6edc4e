"""The teacher of a distillation: a conventional convolutional network, trained first. Letters: B batch, C channels.

The paper's teacher is a CAFormer trained on ImageNet-21K, which nobody trains in passing.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import derive
from ranvier.nn import Folded, Sequential, Taught
from ranvier.systems.vision import classifier
from ranvier.systems.vision.images import Images
from ranvier.train import AdamW, Cosine, Train, Trainer
from ranvier.train.losses import HardDistillation


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A network of 3 x 3 convolutions, batch norms and rectifiers, and how it is trained.

    Args: channels: of each convolution; all but the first halve the picture. epochs, lr: of its training. weight: of
        its decisions in the loss.
    """

    channels: tuple[int, ...] = (32, 64, 128)
    epochs: int = 5
    lr: float = 3e-3
    weight: float = 0.5

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            expected = "at least one number >= 1"
            raise ConfigError("meta-spikeformer: teacher.channels", expected=expected, got=str(self.channels))
        if self.epochs < 1:
            raise ConfigError("meta-spikeformer: teacher.epochs", expected="at least 1", got=str(self.epochs))

    def build(self, images: Images, *, seed: int) -> nn.Sequential:
        """Build the untrained network: (B, C, H, W) to (B, K)."""
        layers: list[nn.Module] = []
        before = images.channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "teacher"))
            for number, width in enumerate(self.channels):
                stride = 1 if number == 0 else 2
                layers += [nn.Conv2d(before, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                before = width
            head = nn.Linear(before, len(images.classes))
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)

    def beside(self, student: Trainer, images: Images, label_smoothing: float) -> Trainer:
        """Train the teacher and put it beside a student's network: the trainer of a distillation."""
        net = self.build(images, seed=student.seed)
        recipe = Train(epochs=self.epochs, optimiser=AdamW(lr=self.lr), schedule=Cosine())
        alone = replace(images, steps=1)
        classifier.trainer(Sequential(Folded(net)), alone, recipe, seed=derive(student.seed, "teacher")).fit()
        loss = HardDistillation(weight=self.weight, label_smoothing=label_smoothing)
        return replace(student, net=Taught(student.net, net), loss=loss)
