"""Merging a batch norm into the layer before it, for inference. Axes: M features out."""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn.tdbn import TdBN

Layer = TypeVar("Layer", bound=nn.Module)


@torch.no_grad()
def merge(layer: Layer, norm: nn.Module) -> Layer:
    """Merge a norm's running statistics and scale into the convolution or linear layer before it.

    W' = W * g, b' = (b - mean) * g + bias with g = gain / sqrt(var + eps), gain = weight (times alpha * v_th in TdBN):
    ``merge(layer, norm)(x)`` equals ``norm(layer(x))`` in evaluation, up to rounding.

    Args: layer: ``nn.Linear`` or a convolution, not transposed. norm: ``TdBN`` or a batch norm that tracks statistics.
    Returns: a new layer with a bias; the arguments stay as they are.
    Raises: ConfigError for other layers; ShapeError if the features differ.
    """
    if not isinstance(layer, nn.Linear | _ConvNd) or isinstance(layer, _ConvTransposeNd):
        expected = "a linear layer or a convolution that is not transposed"
        raise ConfigError("merge", expected=expected, got=type(layer).__name__)
    if not isinstance(norm, TdBN | _BatchNorm) or norm.running_var is None or norm.running_mean is None:
        expected = "a TdBN or a batch norm with running statistics"
        raise ConfigError("merge", expected=expected, got=type(norm).__name__)
    weight: Tensor = layer.weight
    if weight.shape[0] != norm.num_features:
        raise ShapeError("merge", expected=f"a norm of {weight.shape[0]} features", got=str(norm.num_features))
    gain_M = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        gain_M = gain_M * norm.weight
    if isinstance(norm, TdBN):
        gain_M = gain_M * (norm.alpha * norm.v_th)
    shift_M = -norm.running_mean * gain_M if norm.bias is None else norm.bias - norm.running_mean * gain_M
    merged = deepcopy(layer)
    merged.weight = nn.Parameter(weight * gain_M.reshape(-1, *(1,) * (weight.ndim - 1)))
    merged.bias = nn.Parameter(shift_M if layer.bias is None else layer.bias * gain_M + shift_M)
    return merged
