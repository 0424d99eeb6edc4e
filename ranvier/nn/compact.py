"""Training with spikes kept as bits: what autograd saves for the way back holds a 32nd of the memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ranvier.kernels.bits import Bits, pack

SMALLEST = 4096  # numbers; below, packing brings nothing worth a call


@contextmanager
def compact_spikes() -> Iterator[None]:
    """Keep spikes as bits while they wait for the backward pass.

    ::

        with rv.nn.compact_spikes():
            loss = loss_of(net(x), y)
        loss.backward()

    A linear or convolutional layer keeps its input for the gradient of its weights. Where that is spikes, four bytes
    each, one bit says as much. Inside this context every large tensor that autograd saves is looked at: if it holds
    zeros and ones only it is kept as bits and unpacked when it is needed. Results and gradients are the same to the
    last bit, whatever the layers are. Looking costs little: it stops at the first other number.

    Not for parameters, which live anyway, and without effect where nothing is saved (no_grad).
    """
    with saved_tensors_hooks(_pack, _unpack):
        yield


def _pack(tensor: Tensor) -> Tensor | Bits:
    if tensor.numel() < SMALLEST or (tensor.is_leaf and tensor.requires_grad):
        return tensor
    return pack(tensor) or tensor


def _unpack(kept: Tensor | Bits) -> Tensor:
    return kept.unpack() if isinstance(kept, Bits) else kept
