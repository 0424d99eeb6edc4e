"""A network made simpler for inference: norms merged into the layers before them, RepConv into one convolution."""

from copy import deepcopy

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ranvier.nn.merge import merge
from ranvier.nn.repconv import RepConv
from ranvier.nn.sequential import Sequential
from ranvier.nn.tdbn import TdBN


def simplify(net: nn.Module) -> nn.Module:
    """Copy a network for inference, with fewer layers that give the same up to rounding.

    Wherever layers follow one another in a ``Sequential`` or ``nn.Sequential``, a batch norm with running statistics is
    merged into the linear layer or convolution before it (``merge``) and its place left out; every ``RepConv`` becomes
    one 3 x 3 convolution. Names of the other layers stay. Spikes may differ where a potential lies within rounding of
    its threshold.

    Returns: a copy in evaluation mode; ``net`` stays as it is.
    """
    return _simplified(deepcopy(net).eval())


def _simplified(module: nn.Module) -> nn.Module:
    if isinstance(module, RepConv):
        return module.fold()
    for name, child in module.named_children():
        module._modules[name] = _simplified(child)
    if isinstance(module, Sequential | nn.Sequential):
        _merge_neighbours(module)
    return module


def _merge_neighbours(container: nn.Module) -> None:
    before = ""
    for name, layer in list(container.named_children()):
        if before and _merges(container.get_submodule(before), layer):
            container._modules[before] = merge(container.get_submodule(before), layer)
            del container._modules[name]
        else:
            before = name


def _merges(layer: nn.Module, norm: nn.Module) -> bool:
    linear = isinstance(layer, nn.Linear | _ConvNd) and not isinstance(layer, _ConvTransposeNd)
    return linear and isinstance(norm, TdBN | _BatchNorm) and norm.running_var is not None
