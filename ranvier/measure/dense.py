"""Operations of a network in which nothing is skipped, from shapes alone: on torch's meta device they cost nothing.

A layer with weights makes one multiply-add for each weight that meets an input. For a convolution these are, along each
axis, the pairs of an output's place and a tap whose input exists:

    (places and taps with 0 <= place stride - padding + tap dilation < n) of each axis, multiplied, Cin Cout / groups

Papers mostly count taps that meet the border's zeros too (``borders=True``); ``operations`` does not.
Letters: T time, B batch.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.measure.parameters import WEIGHTED
from ranvier.measure.passes import check_sequence, looking
from ranvier.nn import DelayConv2d, DelayedLinear
from ranvier.nn.attention import AttentionProduct, TokenSum

UNWEIGHTED = (AttentionProduct, TokenSum, DelayedLinear, DelayConv2d)  # they count themselves


def dense_operations(net: nn.Module, inputs_TB: Tensor, *, borders: bool = True) -> dict[str, float]:
    """Count the operations of each layer, over all time steps of one sample, by module path.

        with torch.device("meta"):
            net, x = build(), torch.zeros(4, 1, 3, 224, 224)
        giga = sum(dense_operations(net, x).values()) / 1e9

    Args: inputs_TB: (T, B, ...), of which only the shape matters. borders: whether a multiplication by a zero of the
        padding counts, as in papers; without, the figures are ``LayerOperations.dense``.
    Raises: ShapeError for an input without time steps or samples.
    """
    check_sequence("dense_operations", inputs_TB)
    found: dict[str, int] = {}
    handles = []
    for path, module in net.named_modules():
        if isinstance(module, (*WEIGHTED, *UNWEIGHTED)):

            def see(module: Any, inputs: tuple[Any, ...], path: str = path) -> None:
                if isinstance(module, UNWEIGHTED):
                    count = module.dense(*inputs)
                else:
                    rows, shape = rows_of(module, inputs[0].shape)
                    count = rows * of_row(module, shape, borders=borders)
                found[path] = found.get(path, 0) + count

            handles.append(module.register_forward_pre_hook(see))
    try:
        with looking(net):
            net(inputs_TB)
    finally:
        for handle in handles:
            handle.remove()
    return {path: count / inputs_TB.shape[1] for path, count in found.items()}


def rows_of(module: nn.Module, shape: torch.Size) -> tuple[int, tuple[int, ...]]:
    """Take apart the shape of a call's input: how many rows, and the shape of one."""
    axes = 1 if isinstance(module, nn.Linear) else _spatial(module) + 1
    return math.prod(shape[:-axes]), tuple(shape[-axes:])


def of_row(module: Any, shape: tuple[int, ...], *, borders: bool = False) -> int:
    """Count the multiply-adds of a layer with weights for one row of input: (N,) or (C, ...)."""
    if isinstance(module, nn.Linear):
        return int(module.weight.numel())
    pairs = module.in_channels * module.out_channels // module.groups
    for axis, size in enumerate(shape[1:]):
        pairs *= _pairs(module, axis, size, borders=borders)
    return int(pairs)


def _pairs(module: Any, axis: int, size: int, *, borders: bool) -> int:
    """Count pairs of places and taps along an axis."""
    kernel, stride, dilation = (getattr(module, name)[axis] for name in ("kernel_size", "stride", "dilation"))
    reach = dilation * (kernel - 1)
    before, both = _padding(module, axis, reach)
    if module.transposed:  # every input meets every tap whose output is not cut away
        places, limit = size, (size - 1) * stride - both + reach + module.output_padding[axis] + 1
    else:
        places, limit = (size + both - reach - 1) // stride + 1, size
    if borders or module.padding_mode != "zeros":
        return int(places * kernel)
    starts = torch.arange(places, device="cpu") * stride - before
    taps = torch.arange(kernel, device="cpu") * dilation
    met = starts[:, None] + taps
    return int(((met >= 0) & (met < limit)).sum())


def _padding(module: Any, axis: int, reach: int) -> tuple[int, int]:
    """Return the padding before an axis, and on both sides together."""
    if module.padding == "same":
        return reach // 2, reach
    if module.padding == "valid":
        return 0, 0
    return module.padding[axis], 2 * module.padding[axis]


def _spatial(module: nn.Module) -> int:
    return len(module.kernel_size) if isinstance(module, nn.modules.conv._ConvNd) else 0
