"""The network of Meta-SpikeFormer: a pyramid of convolutional and attention stages joined by membrane shortcuts.

Letters: T time, B batch, C channels, H W space, K classes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError
from ranvier.nn import RepConv, Residual, Sequential, Spiking, TimeAware
from ranvier.nn.attention import SDSA1, SDSA2, SDSA3, SDSA4
from ranvier.systems.vision.classifier import NEURON

STAGES = ("stage1a", "stage1b", "stage2", "stage3", "stage4")
NUM_CONV_STAGES = 3
EXPANSION, KERNEL, RATIO = 2, 7, 4  # of the separable convolution; of channel convolution and MLP
V_TH_ATTENTION = 0.5
AT_THRESHOLD = 2.0  # tau v_th


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The size and the parts of the network; the defaults are the published one with 15 million parameters.

    Args:
        widths: channels of the stages 1a, 1b, 2 (convolutional), 3, 4 (attention). blocks: of each stage.
        strides: of the down-sampling before each stage.
        heads: of the attention; they divide the last two widths.
        attention: which form; "identity" lets the values pass, without queries and keys.
        shortcut: "membrane" adds real-valued currents, so that every weight layer sees spikes; "vanilla" adds spikes to
            currents; "spike" adds spikes to spikes, which then are counts.
        distil: a second read-out, for distillation.
        start: "paper", norms as torch makes them, read-outs N(0, 0.02); "threshold", for few channels and few training
            steps, in which hardly a neuron would fire, those before the read-out not at all: gains of 2 and, in the
            last norm, a bias of 2, the current that takes a neuron to its threshold in one step; read-outs
            N(0, 1 / sqrt(C)).
    """

    widths: tuple[int, int, int, int, int] = (32, 64, 128, 256, 360)
    blocks: tuple[int, int, int, int, int] = (1, 1, 2, 6, 2)
    strides: tuple[int, int, int, int, int] = (2, 2, 2, 2, 1)
    heads: int = 8
    attention: Literal["sdsa1", "sdsa2", "sdsa3", "sdsa4", "identity"] = "sdsa3"
    shortcut: Literal["membrane", "vanilla", "spike"] = "membrane"
    distil: bool = False
    start: Literal["paper", "threshold"] = "paper"

    def __post_init__(self) -> None:
        for name, least in (("widths", 1), ("blocks", 0), ("strides", 1)):
            values = getattr(self, name)
            if len(values) != len(STAGES) or min(values) < least:
                expected = f"{len(STAGES)} numbers >= {least}, one for each stage"
                raise ConfigError(f"meta-spikeformer: model.{name}", expected=expected, got=str(values))
        if self.heads < 1 or any(width % self.heads for width in self.widths[NUM_CONV_STAGES:]):
            expected = f"heads that divide the widths {self.widths[NUM_CONV_STAGES:]}"
            raise ConfigError("meta-spikeformer: model.heads", expected=expected, got=str(self.heads))

    def sides(self, side: int) -> tuple[int, ...]:
        """Return the sides of the maps of each stage for a picture of that side."""
        found = []
        for stride in self.strides:
            side = -(-side // stride)
            found.append(side)
        return tuple(found)


M15 = Model()
M31 = Model(widths=(48, 96, 192, 384, 480))
M55 = Model(widths=(64, 128, 256, 512, 640))
M123 = Model(widths=(96, 192, 384, 768, 960))


def lif() -> Spiking:
    """Make the neurons used everywhere: tau = 2 steps, input divided by tau, hard reset without gradient."""
    return Spiking(NEURON)


def backbone(model: Model, *, in_channels: int) -> Sequential:
    """Build the five stages: pictures (T, B, Cin, H, W) in, currents (T, B, widths[-1], h, w) out."""
    stages: dict[str, nn.Module] = {}
    before = in_channels
    for number, name in enumerate(STAGES):
        width, stride = model.widths[number], model.strides[number]
        layers: dict[str, nn.Module] = {"down": _down(before, width, stride, model, first=number == 0)}
        for block in range(model.blocks[number]):
            mixer: list[nn.Module] = _sep_conv(width) if number < NUM_CONV_STAGES else [Attention(width, model)]
            channels = _channel_conv(width) if number < NUM_CONV_STAGES else _mlp(width)
            layers[f"mixer{block + 1}"] = _join(mixer, model)
            layers[f"channels{block + 1}"] = _join(channels, model)
        stages[name] = Sequential(layers)
        before = width
    net = Sequential(stages)
    last = begin(net, model)
    if model.start == "threshold":
        nn.init.constant_(last.bias, AT_THRESHOLD)
    return net


def begin(net: nn.Module, model: Model) -> nn.BatchNorm2d:
    """Set the gains of norms as ``Model.start`` has it. Returns: the last norm."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if model.start == "threshold":
        for norm in norms:
            nn.init.constant_(norm.weight, AT_THRESHOLD)
    return norms[-1]


def classifier(model: Model, *, in_channels: int, num_classes: int) -> Sequential:
    """Build the whole network: pictures (T, B, Cin, H, W) in, logits (T, B, K) out, to be averaged over time.

    With ``distil``, training gives (T, B, 2, K), the logits of both read-outs; evaluation gives their mean, (T, B, K).
    Weights come from torch's global generator: convolutions as torch makes them, read-outs cut at two deviations.
    """
    read: nn.Module = nn.Linear(model.widths[-1], num_classes)
    head: dict[str, nn.Module] = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "lif": lif()}
    std = 0.02 if model.start == "paper" else model.widths[-1] ** -0.5
    head["read"] = TwoHeads(model.widths[-1], num_classes) if model.distil else read
    for layer in head["read"].modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(layer.bias)
    return Sequential({"backbone": backbone(model, in_channels=in_channels), "head": Sequential(head)})


class TwoHeads(nn.Module):
    """Two linear read-outs of the same spikes: one learns from labels, one from a teacher."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.labels = nn.Linear(in_features, num_classes)
        self.teacher = nn.Linear(in_features, num_classes)

    def forward(self, x_BC: Tensor) -> Tensor:
        """Read out: (B, 2, K) in training, the mean of both (B, K) in evaluation."""
        both = self.labels(x_BC), self.teacher(x_BC)
        return torch.stack(both, -2) if self.training else (both[0] + both[1]) / 2


class Attention(TimeAware):
    """Queries, keys and values by RepConv, norm and LIF; spike-driven attention; RepConv and norm out.

    Spikes (T, B, C, H, W) in, currents of the same shape out.
    """

    def __init__(self, width: int, model: Model) -> None:
        super().__init__()
        taken = {"sdsa2": "qk", "identity": "v"}.get(model.attention, "qkv")
        self.spikes = nn.ModuleDict({name: Sequential(*_projection(width), lif()) for name in taken})
        self.attend = _form(model)
        self.out = Sequential(*_projection(width))

    def forward(self, x_TBCHW: Tensor) -> Tensor:
        """Attend."""
        seen = [make(x_TBCHW) for make in self.spikes.values()]
        current: Tensor = self.out(seen[0] if self.attend is None else self.attend(*seen))
        return current


def _form(model: Model) -> nn.Module | None:
    """Make the attention of a model; None where the values pass as they are."""
    neuron = NEURON.replace(v_th=V_TH_ATTENTION)
    if model.attention == "sdsa1":
        return SDSA1(neuron)
    if model.attention == "sdsa2":
        return SDSA2(neuron)
    if model.attention == "sdsa3":
        return SDSA3(neuron, heads=model.heads)
    return SDSA4(neuron, heads=model.heads) if model.attention == "sdsa4" else None


class Separable(nn.Sequential):
    """Depthwise and pointwise convolution and norm: no neuron between, so one linear layer written as two."""


def _projection(width: int) -> list[nn.Module]:
    return [RepConv(width, width), nn.BatchNorm2d(width)]


def _sep_conv(width: int) -> list[nn.Module]:
    wide = EXPANSION * width
    depthwise = nn.Conv2d(wide, wide, KERNEL, padding=KERNEL // 2, groups=wide, bias=False)
    pointwise = nn.Conv2d(wide, width, 1, bias=False)
    return [
        nn.Conv2d(width, wide, 1, bias=False), nn.BatchNorm2d(wide), lif(),
        Separable(depthwise, pointwise, nn.BatchNorm2d(width)),
    ]  # fmt: skip


def _channel_conv(width: int) -> list[nn.Module]:
    wide = RATIO * width
    return [
        nn.Conv2d(width, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), lif(),
        nn.Conv2d(wide, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
    ]  # fmt: skip


def _mlp(width: int) -> list[nn.Module]:
    wide = RATIO * width
    return [
        nn.Conv2d(width, wide, 1), nn.BatchNorm2d(wide), lif(), nn.Conv2d(wide, width, 1), nn.BatchNorm2d(width),
    ]  # fmt: skip


def _down(before: int, width: int, stride: int, model: Model, *, first: bool) -> nn.Module:
    kernel = 7 if first else 3
    layers = [nn.Conv2d(before, width, kernel, stride, padding=kernel // 2), nn.BatchNorm2d(width)]
    if model.shortcut == "spike":
        return Sequential(*layers, lif())
    return Sequential(*layers) if first else Sequential(lif(), *layers)


def _join(layers: list[nn.Module], model: Model) -> nn.Module:
    """Put a shortcut around layers that begin with weights: the same layers, in another order with the neurons."""
    if model.shortcut == "membrane":  # u + f(S(u)), u a current
        return Residual(Sequential(lif(), *layers))
    if model.shortcut == "vanilla":  # s + f(s) with s = S(u)
        return Sequential(lif(), Residual(Sequential(*layers)))
    return Residual(Sequential(*layers, lif()))  # s + S(f(s)), s a count of spikes
