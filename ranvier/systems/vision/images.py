"""The task that systems of still images share: which images, how they are shown, and in what batches.

A system whose config has ``task: Images`` and ``train: Train`` can be trained on any of these sets.
Letters: N images, C channels, H W space, T time, B batch.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, pad

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data.augment import ImageAugment, MixImages, Mixing
from ranvier.data.loader import Encoded, Hold, Loader, preload, same
from ranvier.data.sets import cifar10, fashion_mnist, mnist, nmnist
from ranvier.data.sets.pack import ImageSet
from ranvier.systems.vision.codes import CODES, Code, Spikes

Source = Literal["cifar10", "fashion-mnist", "mnist", "nmnist"]
Split = Literal["train", "test"]

_COUNT = 32  # brightness of an event in a picture of events, so that eight of them are white


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """A set as the task shows it; mean and std of each channel are those of its training images, between 0 and 1."""

    title: str
    classes: tuple[str, ...]
    channels: int
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


_SETS: dict[str, _About] = {
    "cifar10": _About(
        title="CIFAR-10", classes=cifar10.CLASSES, channels=3, side=32,
        mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616),
    ),
    "fashion-mnist": _About(
        title="Fashion-MNIST", classes=fashion_mnist.CLASSES, channels=1, side=28, mean=(0.2860,), std=(0.3530,)
    ),
    "mnist": _About(title="MNIST", classes=mnist.CLASSES, channels=1, side=28, mean=(0.1307,), std=(0.3081,)),
    "nmnist": _About(
        title="pictures of N-MNIST events", classes=nmnist.CLASSES, channels=2, side=nmnist.SIZE[0],
        mean=(0.2084, 0.2115), std=(0.3504, 0.3365),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Still images with classes, each shown at every time step, or as spikes.

    Args:
        source: "cifar10", "fashion-mnist", "mnist": from RANVIER_DATA, see ``ranvier.data.sets``. "nmnist": the sample
            of event recordings that comes with the package (580 and 100), the events of each polarity added up.
        limit, test_limit: so many of each split, the first ones of each class in equal numbers; None: all.
        steps: T. code: how an image is shown: "direct", normalised, at every step; "rate", "ttfs", "phase", see
            ``codes``.
        shrink: each shrink x shrink pixels become their mean; pixels that do not fill such a square are cut.
        pad: then, so many pixels of zeros around. batch_size: B in training.
        augment: of each training image. mix: of training batches.
    Raises: ConfigError for numbers that make no sense.
    """

    source: Source = "cifar10"
    limit: int | None = None
    test_limit: int | None = None
    steps: int = 4
    code: Code = "direct"
    shrink: int = 1
    pad: int = 0
    batch_size: int = 64
    augment: ImageAugment = field(default_factory=ImageAugment)
    mix: MixImages = field(default_factory=MixImages)

    def __post_init__(self) -> None:
        if self.source not in _SETS:
            raise ConfigError("Images.source", expected=f"one of {', '.join(_SETS)}", got=repr(self.source))
        require_counts("Images.", self, "limit", "test_limit", "steps", "shrink", "batch_size")
        if self.code not in CODES:
            raise ConfigError("Images.code", expected=f"one of {', '.join(CODES)}", got=repr(self.code))
        if self.pad < 0:
            raise ConfigError("Images.pad", expected="a number of pixels >= 0", got=str(self.pad))
        if self.side < 1:
            raise ConfigError("Images.shrink", expected="pixels that are left", got=str(self.shrink))

    @property
    def title(self) -> str:
        """The set, in words."""
        return _SETS[self.source].title

    @property
    def classes(self) -> tuple[str, ...]:
        """What the classes are called; there are ``len(classes)``."""
        return _SETS[self.source].classes

    @property
    def channels(self) -> int:
        """Channels of an image: C."""
        return _SETS[self.source].channels

    @property
    def side(self) -> int:
        """Pixels along a side, as the network sees them: H = W."""
        return _SETS[self.source].side // self.shrink + 2 * self.pad

    def load(self, split: Split) -> ImageSet:
        """Load a split: limited, shrunk and padded, still in 0 .. 255. Raises: DataError where the set is absent."""
        found = _load(self.source, split)
        limit = self.limit if split == "train" else self.test_limit
        if limit is not None:
            found = found.take(balanced(found.labels, limit))
        images = torch.from_numpy(found.images)
        if self.shrink > 1:
            images = avg_pool2d(images.float(), self.shrink).round().to(torch.uint8)
        return ImageSet(pad(images, (self.pad,) * 4).numpy(), found.labels, found.classes)

    def encode(self) -> Hold:
        """Return how the code "direct" shows an image: normalised, at every step."""
        about = _SETS[self.source]
        return Hold(num_steps=self.steps, mean=about.mean, std=about.std)

    def train(self, seed: int) -> Loader[Any] | Mixing:
        """Return the training batches, drawn from a seed: (T, B, C, H, W) and classes, or their shares if mixed."""
        augment = None if self.augment == ImageAugment() else self.augment
        shown: dict[str, Any] = {"encode": self.encode(), "augment": augment}
        if self.code != "direct":  # drawn anew in every epoch, with the generator of the augmentation
            shown = {"encode": same, "augment": Spikes(num_steps=self.steps, code=self.code, augment=augment)}
        loader = Loader(samples=self.load("train"), batch_size=self.batch_size, seed=seed, **shown)
        if self.mix.idle:
            return loader
        return Mixing(loader=loader, mix=self.mix, num_classes=len(self.classes), seed=seed)

    def test(self) -> Loader[Any]:
        """Return the held-out batches, in order: (T, B, C, H, W) and classes."""
        images = self.load("test")
        if self.code == "direct":
            samples = preload(images, self.encode())
        else:
            show = Spikes(num_steps=self.steps, code=self.code)
            pairs = [images[index] for index in range(len(images))]
            spikes = [show(image, generator(0, "test", self.code, index)) for index, (image, _) in enumerate(pairs)]
            samples = Encoded(spikes, [label for _, label in pairs])
        return Loader(samples=samples, encode=same, batch_size=100, shuffle=False)


def balanced(labels: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Choose the first samples of each class, classes in turn, until there are ``limit``; in their old order."""
    turn = np.empty(len(labels), np.int64)  # how many of the same class came before
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        turn[places] = np.arange(len(places))
    return np.sort(np.lexsort((labels, turn))[:limit])


def _load(source: Source, split: Split) -> ImageSet:
    if source == "cifar10":
        return cifar10.load(split)
    if source == "fashion-mnist":
        return fashion_mnist.load(split)
    if source == "mnist":
        return mnist.load(split)
    recordings = nmnist.sample(split)
    height, width = nmnist.SIZE
    images = np.zeros((len(recordings), 2, height, width), np.int64)
    for image, (events, _) in zip(images, (recordings[i] for i in range(len(recordings))), strict=True):
        np.add.at(image, (events.polarity, events.y, events.x), _COUNT)
    return ImageSet(images.clip(0, 255).astype(np.uint8), recordings.labels, recordings.classes)
