"""A weighted window over the past on a GPU: each input is read from memory once, not once a lag.

Importing this module registers ``ranvier::window`` and ``ranvier::window_backward``. Bytes moved per neuron and step,
in float32: 8 forward (the limit), 20 backward (the limit: 12), against 12 a lag by torch's operators.

Axes: T time, B batch, L lags, G groups of neurons that share weights, I neurons of a group, N = G * I.
"""

from typing import Any

import torch
from torch import Tensor

from ranvier.kernels.gpu.device import call

ROWS, BLOCK = 8, 128  # steps and neurons of a Triton program


def window(x_TB: Tensor, before_LB: Tensor, weight_TBL: Tensor) -> Tensor:
    """Compute the window as ``ranvier.kernels.scan.window`` does: in the order of the lags; differentiable once.

    Args: as there; all of one type, float32 or float64.
    """
    groups = weight_TBL.shape[1]
    weight_TGL = weight_TBL.contiguous()
    h_TN = _window(x_TB.flatten(1).contiguous(), before_LB.flatten(1).contiguous(), weight_TGL, groups)
    h_TB: Tensor = h_TN.view(x_TB.shape)
    return h_TB


@torch.library.custom_op("ranvier::window", mutates_args=())
def _window(x_TN: Tensor, before_LN: Tensor, weight_TGL: Tensor, groups: int) -> Tensor:
    h_TN = torch.empty_like(x_TN)
    _launch("window", [x_TN, before_LN, weight_TGL, h_TN], x_TN, before_LN, groups, len(x_TN), _step(weight_TGL))
    return h_TN


@torch.library.custom_op("ranvier::window_backward", mutates_args=())
def _window_backward(
    grad_TN: Tensor, x_TN: Tensor, before_LN: Tensor, weight_TGL: Tensor, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    (T, N), L = x_TN.shape, len(before_LN)
    d_x, d_before = torch.empty_like(x_TN), torch.empty_like(before_LN)
    _launch("pulled", [grad_TN, weight_TGL, d_x, d_before], x_TN, before_LN, groups, L + T, _step(weight_TGL))
    parts = x_TN.new_empty(groups, -(-N // max(groups, 1) // BLOCK), T, L + 1)
    _launch("weighed", [grad_TN, x_TN, before_LN, parts], x_TN, before_LN, groups, T)
    return d_x, d_before, parts.sum(1).transpose(0, 1).sum_to_size(weight_TGL.shape).contiguous()


def _step(weight_TGL: Tensor) -> int:
    """Return how many elements lie between the weights of two steps: none if all steps have the same."""
    return weight_TGL[0].numel() if len(weight_TGL) > 1 else 0


def _launch(
    name: str, arguments: list[Tensor], x_TN: Tensor, before_LN: Tensor, groups: int, num_rows: int, *step: int
) -> None:
    from ranvier.kernels.gpu import window_kernels

    (T, N), L = x_TN.shape, len(before_LN)
    inside = N // max(groups, 1)
    blocks = groups * -(-inside // BLOCK)
    kernel, given, counts = getattr(window_kernels, name), [*arguments, N, inside, *step], (T, L, L + 1, blocks)
    call(kernel, blocks * -(-num_rows // ROWS), given, counts, (ROWS, BLOCK), x_TN, x_TN.dtype)


@_window.register_fake
def _(x_TN: Tensor, before_LN: Tensor, weight_TGL: Tensor, groups: int) -> Tensor:
    return torch.empty_like(x_TN)


@_window_backward.register_fake
def _(
    grad_TN: Tensor, x_TN: Tensor, before_LN: Tensor, weight_TGL: Tensor, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(x_TN), torch.empty_like(before_LN), torch.empty_like(weight_TGL)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.groups = inputs
    ctx.save_for_backward(*tensors)


def _differentiate(ctx: Any, grad_TN: Tensor) -> tuple[Tensor | None, ...]:
    return *_window_backward(grad_TN.contiguous(), *ctx.saved_tensors, ctx.groups), None


_window.register_autograd(_differentiate, setup_context=_keep)
