"""A convolution with a batch norm after it. Axes: B batch, C channels, H W space."""

from collections import OrderedDict

from torch import nn


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Sequential:
    """Make ``conv`` and ``norm``: (B, C, H, W) to (B, C', H / stride, W / stride), zeros around so that H and W stay.

    With a kernel of 1 it is a linear layer of every position. In a container of ``ranvier.nn`` time is folded into the
    batch, so that the norm takes its statistics over all time steps. ``ranvier.nn.merge(layer.conv, layer.norm)`` makes
    one convolution of it for inference.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(out_channels)))
