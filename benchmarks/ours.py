"""Our side of a side-by-side harness that asks for ``w1(case)`` ...: the operations of ``ranvier bench``."""

from collections.abc import Callable, Mapping
from typing import Any

from ranvier.cli.bench import conv_training, lif_layer, recurrent, streaming

Operations = dict[str, Callable[[], object]]


def w1(case: Mapping[str, Any]) -> Operations:
    """One layer of LIF neurons: forward and training."""
    operations = lif_layer.contenders(case)["ours"]().operations
    return {"forward": operations["forward"], "train": operations["training"]}


def w2(case: Mapping[str, Any]) -> Operations:
    """A training step of a convolutional network, convolutions in bfloat16."""
    return {"train": conv_training.contenders(case)["ours, bfloat16"]().operations["training"]}


def w3(case: Mapping[str, Any]) -> Operations:
    """A training step of a recurrent network."""
    return {"train": recurrent.contenders(case)["ours"]().operations["training"]}


def w5(case: Mapping[str, Any]) -> Operations:
    """A step of a stream at batch 1, event-driven."""
    return {"step": streaming.contenders(case)["ours"]().operations["step"]}
