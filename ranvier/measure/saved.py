"""How much memory autograd holds for the way back: the bytes of what a training step saves, and their peak."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


class SavedBytes:
    """Counts what autograd saves for the backward pass.

    Attributes: now: bytes that are held. peak: the most that were held at once.
    """

    def __init__(self, but: Iterable[Tensor]) -> None:
        self.now = self.peak = 0
        self._but = {tensor.untyped_storage().data_ptr() for tensor in but}
        self._holders: dict[int, int] = {}  # of each piece of memory: who holds it

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor in; memory that several share counts once."""
        memory = tensor.untyped_storage()
        place = memory.data_ptr()
        if place in self._but:
            return
        self._holders[place] = self._holders.get(place, 0) + 1
        if self._holders[place] == 1:
            self.now += memory.nbytes()
            self.peak = max(self.peak, self.now)

    def release(self, tensor: Tensor) -> None:
        """Count a tensor out."""
        memory = tensor.untyped_storage()
        place = memory.data_ptr()
        if place in self._but:
            return
        self._holders[place] -= 1
        if not self._holders[place]:
            del self._holders[place]
            self.now -= memory.nbytes()


class _Held:
    """A saved tensor, counted for as long as a graph holds it."""

    def __init__(self, tensor: Tensor, bytes_: SavedBytes) -> None:
        self.tensor, self._bytes = tensor, bytes_
        bytes_.hold(tensor)

    def __del__(self) -> None:
        self._bytes.release(self.tensor)


@contextmanager
def saved_bytes(*, but: Iterable[Tensor] = ()) -> Iterator[SavedBytes]:
    """Count the bytes that autograd saves for the backward pass while this is open.

    ::

        with saved_bytes(but=net.parameters()) as saved:
            rule.accumulate(net, inputs, targets, loss)
        saved.peak

    It sees what layers keep (activations, membranes), not what they use on the way, and does not depend on allocators.

    Args: but: tensors that live anyway, such as parameters.
    """
    count = SavedBytes(but)
    with saved_tensors_hooks(lambda tensor: _Held(tensor, count), lambda held: held.tensor):
        yield count
