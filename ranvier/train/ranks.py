"""Several processes that train one network: torchrun starts them, torch.distributed carries sums between them.

Gradients are summed after a rule has left them in ``.grad``, not by hooks on autograd as DistributedDataParallel does:
a rule need not use autograd at all. Every rank reads whole batches and takes its share of the samples, so that the
same batches, in the same order, train whatever the number of ranks.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ranvier.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1

    @classmethod
    def here(cls) -> "Ranks":
        """Return this process's place in the default process group; alone if there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(rank=dist.get_rank(), world=dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, inputs_TB: Tensor, targets_B: Tensor) -> tuple[Tensor, Tensor]:
        """Take this rank's samples of a batch: every ``world``-th, from ``rank`` on."""
        if self.world == 1:
            return inputs_TB, targets_B
        return inputs_TB[:, self.rank :: self.world], targets_B[self.rank :: self.world]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their sums over all ranks; one transfer for each type of number."""
        if self.world == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            by_type.setdefault(tensor.dtype, []).append(tensor)
        for group in by_type.values():
            flat = torch.cat([tensor.flatten() for tensor in group])
            dist.all_reduce(flat)
            parts = torch.split(flat, [tensor.numel() for tensor in group])
            for tensor, part in zip(group, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of rank 0."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def any(self, holds: bool) -> bool:
        """Whether something holds on any rank."""
        if self.world == 1:
            return holds
        votes = torch.tensor(int(holds), device="cuda" if dist.get_backend() == "nccl" else "cpu")
        dist.all_reduce(votes)
        return bool(votes)

    def wait(self) -> None:
        """Wait for all ranks."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the process group that torchrun announces in the environment, and leave it at the end; alone without it.

    gloo on the CPU, NCCL with GPUs (each rank takes the GPU of its local number).

    Raises: ConfigError if the environment is incomplete.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise ConfigError(
                f"environment variable {name}",
                expected="set, as WORLD_SIZE is",
                got="nothing",
                mend="Start with torchrun.",
            )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks.here()
    finally:
        dist.destroy_process_group()
