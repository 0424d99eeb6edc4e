"""Batches of digit scenes for detection and segmentation. Letters: N scenes, T time, B batch, M boxes, H W space."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ranvier.core.counts import require_counts
from ranvier.core.seeds import generator
from ranvier.data.sets import digits_scene
from ranvier.data.sets.digits_scene import Layout
from ranvier.measure.detection import Boxes

Kind = Literal["detect", "segment"]
MEAN, STD = 0.1, 0.25  # of the grey of scenes, about
NUM_CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneTask:
    """Which scenes, and how they are shown.

    Args: num_train, num_test: scenes of MNIST's training and test digits. layout: how scenes look. steps: T; a still
        picture is shown at each. batch_size: B in training.
    """

    num_train: int = 2000
    num_test: int = 300
    layout: Layout = field(default_factory=Layout)
    steps: int = 1
    batch_size: int = 32

    def __post_init__(self) -> None:
        require_counts("SceneTask.", self, "num_train", "num_test", "steps", "batch_size")


@dataclass(frozen=True, slots=True, eq=False)
class SceneBatches:
    """Scenes made once and kept, in batches whose order depends on seed and epoch alone; see ``train.Loader``."""

    images: Tensor  # (N, 1, H, W) float32
    masks: Tensor  # (N, H, W) int64
    boxes: Tensor  # (N, M, 5) float32: class or -1, left, top, right, bottom
    kind: Kind
    steps: int
    batch_size: int
    seed: int | None  # None: always in order

    @classmethod
    def of(cls, task: SceneTask, split: Literal["train", "test"], kind: Kind, *, seed: int) -> "SceneBatches":
        """Make the scenes of a split. Test scenes are the same for every seed, in order. Raises: DataError."""
        held_out = split == "test"
        num = task.num_test if held_out else task.num_train
        scenes = digits_scene.load(split, num=num, layout=task.layout, seed=0 if held_out else seed)
        side, most = task.layout.side, task.layout.most
        images, masks = torch.empty(num, 1, side, side), torch.empty(num, side, side, dtype=torch.int64)
        boxes = torch.full((num, most, 5), -1.0)
        for i in range(num):
            scene = scenes[i]
            images[i] = (scene.image / 255 - MEAN) / STD
            masks[i] = scene.mask
            boxes[i, : len(scene.labels)] = torch.cat([scene.labels[:, None], scene.corners], -1)
        size = 50 if held_out else task.batch_size
        return cls(images, masks, boxes, kind, task.steps, size, None if held_out else seed)

    @property
    def num_batches(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.images) // self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pictures (T, B, 1, H, W) and targets, (B, M, 5) or (B, H, W), from batch ``start`` on."""
        num = len(self.images)
        order = torch.arange(num)
        if self.seed is not None:
            order = torch.randperm(num, generator=generator(self.seed, "order", epoch))
        targets = self.boxes if self.kind == "detect" else self.masks
        for chosen in torch.split(order, self.batch_size)[start:]:
            yield self.images[chosen].expand(self.steps, -1, -1, -1, -1), targets[chosen]


def true_boxes(targets_BM5: Tensor) -> list[Boxes]:
    """Turn targets into the boxes of each picture."""
    kept = [target[target[:, 0] >= 0] for target in targets_BM5]
    return [Boxes(box[:, 1:], box[:, 0].long(), torch.ones(len(box))) for box in kept]


def segmentation_loss(outputs_TBKHW: Tensor, masks_BHW: Tensor) -> Tensor:
    """Compute the mean cross-entropy of all pixels, of logits averaged over time."""
    return cross_entropy(outputs_TBKHW.float().mean(0), masks_BHW)
