"""Spiking pre-activation ResNet. Source: Meng et al. 2023 (SLTT), arXiv:2302.14311, after He et al. 2016."""

from torch import nn

from ranvier.core.errors import ConfigError
from ranvier.core.neuron import Neuron
from ranvier.nn.dropout import Dropout
from ranvier.nn.residual import Residual
from ranvier.nn.sequential import Sequential
from ranvier.nn.spiking import Spiking

RESNET18 = (2, 2, 2, 2)


def preact_resnet(
    neuron: Neuron, *, num_classes: int, in_channels: int = 3, blocks: tuple[int, ...] = RESNET18, width: int = 64,
    dropout: float = 0.0,
) -> Sequential:  # fmt: skip
    """Build a spiking pre-activation ResNet for small images (CIFAR).

    A 3 x 3 convolution without bias; stages of ``blocks`` blocks, the first of each but the first stage with stride 2
    and twice the channels; batch norm, neurons, global average pooling, one linear layer. A block is

        s = SN(BN(x)),   y = conv(dropout(SN(BN(conv(s))))) + shortcut(s)

    with 3 x 3 convolutions with bias; the shortcut is the spikes themselves, or a 1 x 1 convolution of them with bias
    where shapes change.

    Args: neuron: of all layers, with dt = 1 ms. blocks: ``RESNET18`` is (2, 2, 2, 2). width: channels of the first
        stage. dropout: share of the spikes dropped for a whole sequence.
    Returns: "stem", "stage1", ..., "norm", "lif", "pool", "flatten", "linear".
    Raises: ConfigError for a stage without blocks.
    """
    if not blocks or min(blocks) < 1:
        raise ConfigError("preact_resnet.blocks", expected="at least one block a stage", got=str(blocks))
    layers: dict[str, nn.Module] = {"stem": nn.Conv2d(in_channels, width, 3, padding=1, bias=False)}
    channels = width
    for number, count in enumerate(blocks, start=1):
        wide = width * 2 ** (number - 1)
        stage = []
        for place in range(count):
            stride = 2 if place == 0 and number > 1 else 1
            stage.append(_block(neuron, channels, wide, stride, dropout))
            channels = wide
        layers[f"stage{number}"] = Sequential(*stage)
    layers |= {"norm": nn.BatchNorm2d(channels), "lif": Spiking(neuron), "pool": nn.AdaptiveAvgPool2d(1)}
    net = Sequential({**layers, "flatten": nn.Flatten(), "linear": nn.Linear(channels, num_classes)})
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def _block(neuron: Neuron, channels: int, wide: int, stride: int, dropout: float) -> Sequential:
    branch: list[nn.Module] = [
        nn.Conv2d(channels, wide, 3, stride=stride, padding=1),
        nn.BatchNorm2d(wide),
        Spiking(neuron),
        *([Dropout(dropout)] if dropout else []),
        nn.Conv2d(wide, wide, 3, padding=1),
    ]
    shortcut = None if stride == 1 and channels == wide else nn.Conv2d(channels, wide, 1, stride=stride)
    return Sequential(nn.BatchNorm2d(channels), Spiking(neuron), Residual(Sequential(*branch), shortcut))
