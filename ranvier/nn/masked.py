"""Running a network of maps on the visible part of an image, so that nothing leaks from the hidden part.

Source: Tian et al. 2023, "Designing BERT for Convolutional Networks" (SparK), ICLR, arXiv:2301.03580, section 3.1:
hidden positions are put back to zero after every layer, as a sparse convolution leaves them.
Letters: T time, B batch, C channels, H W space, M visible positions.
"""

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn.attention.ssa import SSA
from ranvier.nn.folding import Folded, fold, sees_time
from ranvier.nn.residual import Residual
from ranvier.nn.sequential import Sequential
from ranvier.nn.stateful import Stateful


def run_masked(net: nn.Module, x_TBCHW: Tensor, visible_BHW: Tensor) -> Tensor:
    """Run a network from rest on the visible positions alone; hidden ones are zero before and after every layer.

    What lies under the mask changes no output and no running statistics: a batch norm takes its statistics over the
    visible positions. With everything visible it is ``net(x)``. The layers themselves are not changed; known are
    convolutions, batch norms, poolings, activations, stateful layers, ``SSA``, ``Residual`` and sequences of these.

    Args: net: maps (T, B, C, H, W) to maps (T, B, C', H', W'). visible_BHW: boolean, constant on squares of
        H / H' pixels, as every layer must divide the mask without a rest.
    Returns: (T, B, C', H', W'), zero at hidden positions.
    Raises: ShapeError for a mask that does not fit; ConfigError for a layer that is not known.
    """
    if visible_BHW.shape != (x_TBCHW.shape[1], *x_TBCHW.shape[-2:]) or visible_BHW.dtype != torch.bool:
        expected = f"a boolean mask (B, H, W) = {(x_TBCHW.shape[1], *x_TBCHW.shape[-2:])}"
        raise ShapeError("run_masked", expected=expected, got=f"{visible_BHW.dtype} {tuple(visible_BHW.shape)}")
    return _run(net, _hide(x_TBCHW, visible_BHW), visible_BHW)


def mask_at(visible_BHW: Tensor, height: int, width: int) -> Tensor:
    """Return the mask at a coarser resolution (B, height, width).

    Raises: ShapeError if a square of the coarser grid is visible in part.
    """
    batch, fine_height, fine_width = visible_BHW.shape
    if fine_height % height or fine_width % width:
        got = f"a map of {height} x {width} under a mask of {fine_height} x {fine_width}"
        raise ShapeError("run_masked", expected="layers that divide the mask without a rest", got=got)
    down, right = fine_height // height, fine_width // width
    squares = visible_BHW.reshape(batch, height, down, width, right)
    coarse = squares.amax((2, 4))
    if not torch.equal(coarse, squares.amin((2, 4))):
        mend = "Hide whole squares, as large as the network's stride."
        expected = f"a mask that is constant on squares of {down} x {right} pixels"
        raise ShapeError("run_masked", expected=expected, got="squares that are visible in part", mend=mend)
    return coarse


def _run(layer: nn.Module, x_TBCHW: Tensor, visible_BHW: Tensor) -> Tensor:
    here = mask_at(visible_BHW, *x_TBCHW.shape[-2:])
    if isinstance(layer, Sequential | nn.Sequential):
        for child in layer.children():
            x_TBCHW = _run(child, x_TBCHW, visible_BHW)
        return x_TBCHW
    if isinstance(layer, Folded):
        return _run(layer.layer, x_TBCHW, visible_BHW)
    if isinstance(layer, Residual):
        past = x_TBCHW if layer.shortcut is None else _run(layer.shortcut, x_TBCHW, visible_BHW)
        return _run(layer.branch, x_TBCHW, visible_BHW) + past
    if isinstance(layer, SSA):
        parts = (_run(part, x_TBCHW, visible_BHW) for part in (layer.query, layer.key, layer.value))
        return _run(layer.out, _run(layer.attention, layer.product(*parts), visible_BHW), visible_BHW)
    if isinstance(layer, nn.BatchNorm2d):
        return _normed(layer, x_TBCHW, here)
    known = nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.Identity, nn.ReLU, nn.GELU, nn.Dropout
    if isinstance(layer, Stateful):
        y_TBCHW = layer(x_TBCHW)
    elif isinstance(layer, known) and not sees_time(layer):
        y_TBCHW = fold(layer, x_TBCHW)
    else:
        expected = "layers whose mask is known, such as convolutions, batch norms, neurons and SSA"
        raise ConfigError("run_masked", expected=expected, got=type(layer).__name__)
    return _hide(y_TBCHW, mask_at(visible_BHW, *y_TBCHW.shape[-2:]))


def _normed(norm: nn.BatchNorm2d, x_TBCHW: Tensor, visible_BHW: Tensor) -> Tensor:
    """Normalise the visible positions, gathered into a batch of their own; the rest stays zero."""
    places_TBHW = visible_BHW.expand(x_TBCHW.shape[0], *visible_BHW.shape)
    rows_TBHWC = x_TBCHW.movedim(2, -1)
    normed_MC: Tensor = norm(rows_TBHWC[places_TBHW][:, :, None, None])[:, :, 0, 0]
    out_TBHWC = normed_MC.new_zeros(rows_TBHWC.shape)
    out_TBHWC[places_TBHW] = normed_MC
    return out_TBHWC.movedim(-1, 2)


def _hide(x_TBCHW: Tensor, visible_BHW: Tensor) -> Tensor:
    # Chosen, not multiplied: what is hidden may be NaN.
    return torch.where(visible_BHW[None, :, None], x_TBCHW, x_TBCHW.new_zeros(()))
