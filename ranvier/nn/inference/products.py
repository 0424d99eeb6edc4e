"""Linear layers, convolutions and pools as stages. Axes: O, I channels out and in, H W space, N inputs, M outputs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ranvier.kernels.sparse.sizes import Sizes, sizes_of
from ranvier.kernels.sparse.stages import Convolution, Linear, Pool
from ranvier.kernels.sparse.tables import Window, adaptive
from ranvier.kernels.sparse.weights import Precision, Rows

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
)  # fmt: skip


class Misfit(Exception):  # noqa: N818 - a reason to run dense, not an error
    """Why a layer cannot run on events."""


def linear(weight_MN: Tensor, bias_M: Tensor | None, shape: tuple[int, ...], precision: Precision) -> Linear:
    """Make the stage of a linear layer whose input is a flattened map of that shape, (N,) for none."""
    sizes = sizes_of(shape)
    if len(shape) > 1 and len(shape) < 4:  # events are places in channels-last order
        of_map = weight_MN.reshape(len(weight_MN), sizes.channels, sizes.height * sizes.width)
        weight_MN = of_map.transpose(1, 2).flatten(1)
    return Linear(rows=Rows(weight_MN.T, bias_M, precision), sizes=Sizes(1, 1, len(weight_MN)))


def convolution(
    layer: _ConvNd, weight: Tensor, bias: Tensor | None, shape: tuple[int, ...], precision: Precision
) -> tuple[Convolution, tuple[int, ...]]:
    """Make the stage of a convolution, and the shape of its output.

    Args: weight, bias: its own, with what was merged into them. shape: of the input, (C, L) or (C, H, W).
    Raises: Misfit.
    """
    if len(shape) != 1 + len(layer.kernel_size) or shape[0] != layer.in_channels:
        raise Misfit(f"its input has the shape {shape}")
    if layer.padding_mode != "zeros":
        raise Misfit(f"padding_mode={layer.padding_mode!r}")
    transposed = isinstance(layer, _ConvTransposeNd)
    before = sizes_of(shape)
    windows = _windows(layer)
    extra = [0] * (2 - len(layer.output_padding)) + list(layer.output_padding)
    wide = [before.height, before.width]
    out = [
        w.size_out_transposed(n, e) if transposed else w.size_out(n)
        for w, n, e in zip(windows, wide, extra, strict=True)
    ]
    if min(out) < 1:
        raise Misfit("it leaves no output")
    find = Window.taps_transposed if transposed else Window.taps
    down, across = (find(w, n, m) for w, n, m in zip(windows, wide, out, strict=True))
    sizes = Sizes(out[0], out[1], layer.out_channels)
    kernel = (windows[0].kernel, windows[1].kernel)
    stage = Convolution(
        rows=_rows(layer, weight, bias, precision, transposed=transposed), sizes=sizes, channels_in=layer.in_channels,
        kernel=kernel, groups=layer.groups, down=down, across=across, transposed=transposed,
        product=_by_torch(windows, extra, layer.groups, transposed=transposed),
    )  # fmt: skip
    return stage, (layer.out_channels, *out[2 - len(layer.kernel_size) :])


def _windows(layer: _ConvNd) -> list[Window]:
    windows = []
    for axis, kernel in enumerate(layer.kernel_size):
        stride, dilation = layer.stride[axis], layer.dilation[axis]
        if isinstance(layer.padding, str):
            reach = dilation * (kernel - 1) if layer.padding == "same" else 0
            before, after = reach // 2, reach - reach // 2
        else:
            before = after = int(layer.padding[axis])
        windows.append(Window(kernel, stride, before, after, dilation))
    return [Window(1)] * (2 - len(windows)) + windows


def _rows(layer: _ConvNd, weight: Tensor, bias: Tensor | None, precision: Precision, *, transposed: bool) -> Rows:
    """Lay weights out as one row of a group's outputs for each (kernel row, kernel column, channel in)."""
    groups, of_group = layer.groups, layer.in_channels // layer.groups
    weight = weight.reshape(*weight.shape[:2], *[1] * (4 - weight.ndim), *weight.shape[2:])
    if transposed:  # (I, O / groups, H, W)
        rows = weight.permute(2, 3, 0, 1)
    else:  # (O, I / groups, H, W)
        grouped = weight.reshape(groups, layer.out_channels // groups, of_group, *weight.shape[2:])
        rows = grouped.permute(3, 4, 0, 2, 1).flatten(2, 3)
    group_of_channel = torch.arange(layer.in_channels) // of_group
    group_of_row = group_of_channel.repeat(rows.shape[0] * rows.shape[1]) if groups > 1 else None
    return Rows(rows.reshape(-1, rows.shape[-1]), bias, precision, groups=groups, group_of_row=group_of_row)


def _by_torch(
    windows: list[Window], extra: list[int], groups: int, *, transposed: bool
) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    stride, dilation = [w.stride for w in windows], [w.dilation for w in windows]
    before, after = [w.before for w in windows], [w.after for w in windows]

    def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if transposed:
            return F.conv_transpose2d(x, weight, bias, stride, before, extra, groups, dilation)
        if before != after:
            x = F.pad(x, (before[1], after[1], before[0], after[0]))
            return F.conv2d(x, weight, bias, stride, 0, dilation, groups)
        return F.conv2d(x, weight, bias, stride, before, dilation, groups)

    return product


def pooling(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Pool, tuple[int, ...]]:
    """Make the stage of a pool, and the shape of its output. Raises: Misfit."""
    space = 2 if type(layer).__name__.endswith("2d") else 1
    if len(shape) != 1 + space:
        raise Misfit(f"its input has the shape {shape}")
    options: Any = layer
    if getattr(options, "return_indices", False):
        raise Misfit("return_indices=True")
    before = sizes_of(shape)
    wide = [before.height, before.width][2 - space :]
    mean = isinstance(layer, nn.AvgPool1d | nn.AvgPool2d | nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d)
    if hasattr(layer, "output_size"):
        size = _each(options.output_size, space)
        taps = [adaptive(n, n if m is None else m) for n, m in zip(wide, size, strict=True)]
        counts = [[len(entries) for entries in axis] for axis in taps]
    else:
        windows = _pool_windows(options, space)
        made = [_pool_axis(options, w, n) for w, n in zip(windows, wide, strict=True)]
        taps, counts = [t for t, _ in made], [c for _, c in made]
    if min(map(len, taps)) < 1:
        raise Misfit("it leaves no output")
    if space == 1:
        taps, counts = [[[(0, 0)]], *taps], [[1], *counts]
    out = [len(axis) for axis in taps]
    divisors = torch.tensor(counts[0]).unsqueeze(1) * torch.tensor(counts[1])
    override = getattr(layer, "divisor_override", None)
    if override is not None:
        divisors = torch.full_like(divisors, override)
    stage = Pool(
        sizes=Sizes(out[0], out[1], before.channels), down=taps[0], across=taps[1],
        divisors_HW=divisors.float() if mean else None,
    )  # fmt: skip
    return stage, (shape[0], *out[2 - space :])


def _each(value: Any, count: int) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value] * count


def _pool_windows(options: Any, space: int) -> list[Window]:
    kernels = _each(options.kernel_size, space)
    strides = kernels if options.stride is None else _each(options.stride, space)
    paddings, dilations = _each(options.padding, space), _each(getattr(options, "dilation", 1), space)
    return [Window(k, s, p, p, d) for k, s, p, d in zip(kernels, strides, paddings, dilations, strict=True)]


def _pool_axis(options: Any, window: Window, size: int) -> tuple[list[list[tuple[int, int]]], list[int]]:
    """Find what each output sees along an axis, and by how many places a mean divides."""
    count = window.size_out(size)
    if options.ceil_mode:
        reach = size + window.before + window.after - window.dilation * (window.kernel - 1) - 1
        count = -(-reach // window.stride) + 1
        if (count - 1) * window.stride >= size + window.before:  # the last window must start inside
            count -= 1
    taps = window.taps(size, count)
    if not getattr(options, "count_include_pad", False):
        return taps, [len(entries) for entries in taps]
    starts = [o * window.stride - window.before for o in range(count)]
    return taps, [min(start + window.kernel, size + window.after) - start for start in starts]


def merged(layer: Any, gain_M: Tensor, shift_M: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and bias of a linear layer or convolution with y * gain + shift after it merged in."""
    weight: Tensor = layer.weight.detach()
    bias = layer.bias
    if isinstance(layer, _ConvTransposeNd):  # (I, O / groups, ...)
        gain = gain_M.reshape(layer.groups, -1).repeat_interleave(layer.in_channels // layer.groups, 0)
        weight = weight * gain.reshape(*gain.shape, *[1] * (weight.ndim - 2))
    else:
        weight = weight * gain_M.reshape(-1, *[1] * (weight.ndim - 1))
    return weight, shift_M if bias is None else bias.detach() * gain_M + shift_M
