"""A batch norm and the spiking layer behind it as one pass. Axes: T time, B batch, C channels.

In training and on the CPU, eager or compiled, ``Sequential`` runs ``nn.BatchNorm``, ``Spiking`` in one kernel: the
norm's result is never written or kept, and each way saves a pass over memory (``ranvier/kernels/cpu/normed.py``).
Statistics come from the function that the norm itself uses, so running ones are the same to the last bit; results and
gradients are equal to rounding, and in 16 bits nothing is rounded between the two.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.modules.batchnorm import _BatchNorm

from ranvier.kernels.cpu.normed import Norm
from ranvier.kernels.cpu.normed_operators import batch_statistics
from ranvier.kernels.dispatch import can_normalise
from ranvier.nn.observe import observer
from ranvier.nn.spiking import Spiking
from ranvier.nn.stateful import carried

_AXES = {nn.BatchNorm1d: (3, 4), nn.BatchNorm2d: (5,), nn.BatchNorm3d: (6,)}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_pair(first: nn.Module, second: nn.Module) -> bool:
    """Tell whether two layers are a plain batch norm and a ``Spiking``, which may run as one."""
    return type(first) in _AXES and type(second) is Spiking


def joins(norm: nn.Module, layer: nn.Module, x_TB: Tensor) -> bool:
    """Tell whether a pair runs as one on this input: in training, where nobody watches the two apart."""
    assert isinstance(norm, _BatchNorm)
    assert isinstance(layer, Spiking)
    number = torch.float64 if x_TB.dtype == torch.float64 else torch.float32
    return (
        norm.training
        and not (torch.compiler.is_compiling() and norm.momentum is None)  # whose share is counted out of the graph
        and x_TB.ndim in _AXES[type(norm)]
        and x_TB.is_floating_point()
        and x_TB.shape[2] == norm.num_features
        and x_TB.numel() > norm.num_features  # torch refuses to normalise one number
        and all(x is None or x.dtype == number for x in (norm.weight, norm.running_mean))
        and not any(getattr(module, hooks) for module in (norm, layer) for hooks in _HOOKS)
        and not any(getattr(torch_module, "_global" + hooks) for hooks in _HOOKS)
        and observer() is None
        and can_normalise(layer.plan, x_TB, layer.executor)
    )


def run_pair(norm: nn.Module, layer: nn.Module, x_TB: Tensor) -> Tensor:
    """Run a pair as one: the layer's spikes (T, B, C, ...). Running statistics are updated as the norm does itself."""
    assert isinstance(norm, _BatchNorm)
    assert isinstance(layer, Spiking)
    done = _statistics(norm, x_TB)

    def run(state: Any) -> tuple[Tensor, Any]:
        return layer.run(x_TB, state, norm=done)

    return carried(layer, run)


def _statistics(norm: _BatchNorm, x_TB: Tensor) -> Norm:
    momentum = 0.0 if norm.momentum is None else norm.momentum
    if norm.track_running_stats and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if norm.momentum is None:
            momentum = 1.0 / float(norm.num_batches_tracked)
    x_BC = x_TB.detach().flatten(0, 1)
    of = batch_statistics if torch.compiler.is_compiling() else torch.batch_norm_update_stats
    mean, variance = of(x_BC, norm.running_mean, norm.running_var, momentum)
    invstd = (variance + norm.eps).rsqrt()
    weight = torch.ones_like(mean) if norm.weight is None else norm.weight
    bias = torch.zeros_like(mean) if norm.bias is None else norm.bias
    return Norm(weight, bias, mean, invstd)
