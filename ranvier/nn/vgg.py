"""Spiking VGG networks. Source: Meng et al. 2023 (arXiv:2302.14311), Xiao et al. 2022 (arXiv:2210.04195)."""

from typing import Literal

from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.nn.dropout import Dropout
from ranvier.nn.scale import Scale
from ranvier.nn.sequential import Sequential
from ranvier.nn.spiking import Spiking
from ranvier.nn.ws_conv import WSConv2d

Plan = tuple[int | Literal["P"], ...]
VGG11: Plan = (64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512, "P")


def vgg(
    plan: Plan, neuron: Neuron, *, size: tuple[int, int, int], num_classes: int,
    norm: Literal["batch", "weight"] = "batch", dropout: float = 0.0, pooled: int | None = None,
) -> Sequential:  # fmt: skip
    """Build a spiking VGG: 3 x 3 convolutions with bias, norm, neurons, dropout, and one linear layer at the end.

    Args:
        plan: channels of the convolutions; "P" is 2 x 2 average pooling. ``VGG11`` is that of the papers.
        neuron: of all layers, with dt = 1 ms. size: (C, H, W) of the input.
        norm: "batch", ``nn.BatchNorm2d`` (SLTT); "weight", ``WSConv2d`` and spikes times 2.74 (OTTT).
        dropout: share of the spikes dropped for a whole sequence. pooled: side of the maps that the linear layer sees,
            by adaptive pooling; 7 in SLTT. None: as they come.
    Returns: layers "conv1", "norm1", "lif1", ... "pool1", ... "linear". Convolutions start from Kaiming's normal
        distribution (fan out), the linear layer from N(0, 0.01).
    Raises: ConfigError for a plan without convolutions, or that pools more than there are pixels.
    """
    widths = [entry for entry in plan if entry != "P"]
    if not widths or min(widths) < 1:
        raise ConfigError("vgg.plan", expected="channels >= 1, and 'P' for pooling", got=str(plan))
    layers: dict[str, nn.Module] = {}
    channels, *sides = size
    convs = pools = 0
    for entry in plan:
        if entry == "P":
            pools += 1
            layers[f"pool{pools}"] = nn.AvgPool2d(2)
            sides = [side // 2 for side in sides]
            continue
        convs += 1
        kind = nn.Conv2d if norm == "batch" else WSConv2d
        layers[f"conv{convs}"] = conv = kind(channels, entry, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(conv.bias) if conv.bias is not None else None
        if norm == "batch":
            layers[f"norm{convs}"] = nn.BatchNorm2d(entry)
        layers[f"lif{convs}"] = Spiking(neuron)
        if norm == "weight":
            layers[f"scale{convs}"] = Scale(2.74)
        if dropout:
            layers[f"dropout{convs}"] = Dropout(dropout)
        channels = entry
    if min(sides) < 1:
        raise ConfigError(
            "vgg.plan", expected=f"pixels left of {size[1]} x {size[2]}", got=f"{pools} times pooling by 2"
        )
    if pooled is not None:
        layers["adapt"], sides = nn.AdaptiveAvgPool2d(pooled), [pooled, pooled]
    linear = nn.Linear(channels * sides[0] * sides[1], num_classes)
    nn.init.normal_(linear.weight, 0.0, 0.01)
    nn.init.zeros_(linear.bias)
    return Sequential({**layers, "flatten": nn.Flatten(), "linear": linear})
