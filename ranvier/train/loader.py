"""What the trainer asks of data."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor


class Loader(Protocol):
    """Batches whose content depends on the epoch and their number only, so that training can go on anywhere."""

    @property
    def num_batches(self) -> int:
        """Batches in an epoch."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the inputs (T, B, ...) and targets (B, ...) of an epoch from batch ``start`` on."""
