"""Judging boxes and maps of classes on held-out scenes. Letters: T time, B batch, K classes, H W space, P places."""

from typing import Literal

import torch

from ranvier.measure import About, collect, confusion, mean_average_precision, mean_iou
from ranvier.report import Results
from ranvier.report.schema import Headline
from ranvier.systems.vision.meta_spikeformer.boxes import Grid, decode
from ranvier.systems.vision.meta_spikeformer.scenes import NUM_CLASSES, SceneBatches, true_boxes
from ranvier.train import Trainer

LABELS = {"map50": "Mean average precision at overlap 0.5", "miou": "Mean intersection over union"}
SHOWN = 20  # scenes in the report


@torch.no_grad()
def map50(trainer: Trainer, grid: Grid) -> float:
    """Compute the mean average precision, at an overlap of 0.5, of a detector on the trainer's held-out scenes."""
    assert trainer.test is not None
    net, found, truth = trainer.net.eval(), [], []
    for inputs_TB, targets in trainer.test.batches(0):
        found += decode(net(inputs_TB), grid, num_classes=NUM_CLASSES)
        truth += true_boxes(targets)
    return mean_average_precision(found, truth, num_classes=NUM_CLASSES)


@torch.no_grad()
def miou(trainer: Trainer) -> float:
    """Compute the mean intersection over union, the background included, of a segmenter on the held-out scenes."""
    assert trainer.test is not None
    net, num = trainer.net.eval(), NUM_CLASSES + 1
    counts = torch.zeros(num, num, dtype=torch.int64)
    for inputs_TB, masks in trainer.test.batches(0):
        counts += confusion(net(inputs_TB).mean(0).argmax(1), masks, num_classes=num)
    return mean_iou(counts)


def results(
    goal: Literal["detect", "segment"], trainer: Trainer, headlines: tuple[Headline, ...], *, seed: int
) -> Results:
    """Collect what the report shows of a detector or segmenter."""
    assert isinstance(trainer.train, SceneBatches)
    assert isinstance(trainer.test, SceneBatches)
    words = {"detect": "detection", "segment": "segmentation"}[goal]
    about = About(
        title=f"Meta-SpikeFormer: {words} of digits in scenes",
        summary=f"Trained on {len(trainer.train.images)} scenes of real digits, judged on {len(trainer.test.images)} "
        "with other digits.",
        seed=seed,
        headlines=headlines,
    )
    inputs_TB, _ = next(iter(trainer.test.batches(0)))
    return collect(trainer.net, inputs_TB[:, :SHOWN], about=about)
