"""Training in less memory: spikes wait for the backward pass as bits, and currents out of a norm are made anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ranvier.kernels.packed import PackedSpikes, pack
from ranvier.nn.tdbn import TdBN

SMALLEST = 4096  # numbers; below, packing brings nothing worth a call
_COMPACT: ContextVar[bool] = ContextVar("ranvier.nn compact", default=False)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@contextmanager
def compact_spikes() -> Iterator[None]:
    """Train in less memory: what waits for the backward pass is kept in few bits, or computed anew.

    ::

        with rv.nn.compact_spikes():
            loss = loss_of(net(x), y)
        loss.backward()

    - A linear or convolutional layer keeps its input for the gradient of its weights. Where that is spikes, four bytes
      each, one bit says as much. Inside this context every large tensor that autograd saves is looked at: if it holds
      zeros and ones only it is kept as bits and unpacked when it is needed. Looking costs little: it stops at the first
      other number.
    - Neurons keep their currents. In a ``Sequential``, currents that come from a batch norm in training (torch's, or
      ``TdBN``) are not kept: the norm, which keeps its own input anyway, is computed once more on the way back.

    Results and gradients are the same to the last bit, whatever the layers are.

    Not for parameters, which live anyway, and without effect where nothing is saved (no_grad) and in compiled networks.
    """
    token = _COMPACT.set(True)
    try:
        with saved_tensors_hooks(_pack, _unpack):
            yield
    finally:
        _COMPACT.reset(token)


@contextmanager
def currents_made_anew(norm: nn.Module | None, x_TB: Tensor, y_TB: Tensor) -> Iterator[None]:
    """Within it, do not save ``y_TB = norm(x_TB)`` but how to compute it; no effect outside ``compact_spikes``.

    Args: norm: the layer before the neurons that are called within; None if there is none.
    """
    if norm is None or not _COMPACT.get() or not _can_repeat(norm, y_TB):
        yield
        return
    make = partial(_normalise, norm, x_TB.detach())
    expected = [y_TB]  # emptied at the end: autograd holds what keeps as long as what is kept

    def keep(tensor: Tensor) -> Tensor | _Anew:
        return _Anew(tensor, make) if _same(tensor, expected[0]) else _pack(tensor)

    try:
        with saved_tensors_hooks(keep, _unpack):
            yield
    finally:
        expected.clear()


class _Anew:
    """A tensor of the numbers that ``make`` gives, in the same order in memory, and of a type and shape of its own."""

    def __init__(self, tensor: Tensor, make: Callable[[], Tensor]) -> None:
        self.shape, self.strides, self.dtype, self.make = tensor.shape, tensor.stride(), tensor.dtype, make

    def tensor(self) -> Tensor:
        return self.make().to(self.dtype).as_strided(self.shape, self.strides)


def _can_repeat(norm: nn.Module, y_TB: Tensor) -> bool:
    """Tell whether a norm computed again gives what it gave: from the statistics of its batch, by itself alone."""
    if y_TB.numel() < SMALLEST or not torch.is_grad_enabled():
        return False
    hooked = norm._forward_hooks or norm._forward_pre_hooks
    return norm.training and type(norm) in (TdBN, *_BATCH_NORMS) and not hooked


def _normalise(norm: Any, x_TB: Tensor) -> Tensor:
    gain = norm.weight * (norm.alpha * norm.v_th) if isinstance(norm, TdBN) else norm.weight
    with torch.no_grad(), torch.autocast(x_TB.device.type, enabled=False):
        return nn.functional.batch_norm(x_TB.flatten(0, 1), None, None, gain, norm.bias, training=True, eps=norm.eps)


def _same(tensor: Tensor, y_TB: Tensor) -> bool:
    """Tell whether a tensor is another, perhaps in another type (neurons compute 16 bits in 32) or shape."""
    if tensor.numel() != y_TB.numel() or not tensor.is_floating_point():
        return False
    if tensor.data_ptr() == y_TB.data_ptr():
        return tensor.dtype == y_TB.dtype
    if tensor.dtype == y_TB.dtype:
        return False
    flat = y_TB.detach().as_strided((y_TB.numel(),), (1,))
    return torch.equal(tensor.detach().as_strided((tensor.numel(),), (1,)), flat.to(tensor.dtype))


def _pack(tensor: Tensor) -> Tensor:
    if isinstance(tensor, PackedSpikes) or tensor.numel() < SMALLEST or (tensor.is_leaf and tensor.requires_grad):
        return tensor
    packed = pack(tensor, "bits")
    return tensor if packed is None else packed


def _unpack(kept: Tensor | _Anew) -> Tensor:
    if isinstance(kept, _Anew):
        return kept.tensor()
    return kept.dense() if isinstance(kept, PackedSpikes) else kept
