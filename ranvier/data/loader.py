"""Batches in an order that depends on seed, epoch and index alone: not on workers, ranks or what was drawn before.

Letters: T time, B batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.seeds import generator
from ranvier.data.events import Events

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class LabelledSet(Protocol[S_co]):
    """What a loader reads: samples with integer labels, by index."""

    def __len__(self) -> int:
        """Give the number of samples."""
        ...

    def __getitem__(self, index: int, /) -> tuple[S_co, int]:
        """Give a sample and its label."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Show an image at every step: (C, H, W) uint8 becomes (num_steps, C, H, W) float32 between 0 and 1.

    Args: mean, std: of each channel, between 0 and 1; if given, (x - mean) / std is shown.
    Raises: ConfigError for numbers that make no sense.
    """

    num_steps: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ConfigError("Hold.num_steps", expected="a number >= 1", got=repr(self.num_steps))
        if len(self.mean) != len(self.std) or any(not value > 0 for value in self.std):
            expected = "as many deviations as means, all of them > 0"
            raise ConfigError("Hold.std", expected=expected, got=f"mean {self.mean}, std {self.std}")

    def __call__(self, image: Tensor) -> Tensor:
        """Return the image repeated along time, without a copy of it for each step."""
        shown = image.float() / 255
        if self.mean:
            shown = (shown - shown.new_tensor(self.mean)[:, None, None]) / shown.new_tensor(self.std)[:, None, None]
        return shown.expand(self.num_steps, *image.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Loader(Generic[S]):
    """Deterministic batches of a labelled set.

    A sample goes through ``augment(sample, generator)``, then ``encode(sample)``, which gives a tensor with time first;
    the samples of a batch are stacked along axis 1. The generator is that of (seed, "augment", epoch, index).

    With several ranks, ``batch_size`` is that of one rank: together they take the batch of world_size * batch_size that
    one process alone would take. If the set does not fill the last batch on every rank, its first samples come again.

    Raises: ConfigError for numbers that make no sense; ShapeError for an empty set.
    """

    samples: LabelledSet[S]
    encode: Callable[[S], Tensor]
    augment: Callable[[S, torch.Generator], S] | None = None
    batch_size: int = 32
    seed: int = 0
    shuffle: bool = True
    drop_last: bool = False
    num_workers: int = 0  # processes; worth it only where a sample costs more than about a millisecond
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("num_workers", 0), ("world_size", 1), ("rank", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"Loader.{name}", expected=f"a number >= {least}", got=repr(getattr(self, name)))
        if self.rank >= self.world_size:
            raise ConfigError("Loader.rank", expected=f"a rank below {self.world_size}", got=repr(self.rank))
        if len(self.samples) == 0:
            raise ShapeError("Loader.samples", expected="at least one sample", got="none")

    @property
    def num_batches(self) -> int:
        """The number of batches of an epoch, the same on every rank."""
        step = self.batch_size * self.world_size
        return len(self.samples) // step if self.drop_last else -(-len(self.samples) // step)

    def indices(self, epoch: int) -> list[list[int]]:
        """List the samples of each batch of this rank."""
        total = len(self.samples)
        if self.shuffle:
            order = torch.randperm(total, generator=generator(self.seed, "order", epoch)).tolist()
        else:
            order = list(range(total))
        step = self.batch_size * self.world_size
        batches = []
        for start in range(0, self.num_batches * step, step):
            whole = order[start : start + step]
            if self.world_size > 1:
                whole += [order[i % total] for i in range(-len(whole) % self.world_size)]
            batches.append(whole[self.rank :: self.world_size])
        return batches

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ``(inputs_TB..., targets_B)`` of an epoch from batch ``start`` on; targets are int64."""
        keys = [[(epoch, index) for index in batch] for batch in self.indices(epoch)[start:]]
        if not self.num_workers:
            samples = _Keyed(self)
            for batch in keys:
                yield _stack([samples[key] for key in batch])
            return
        loader: DataLoader[Any] = DataLoader(
            _Keyed(self),  # type: ignore[arg-type] # a map from keys, which DataLoader allows
            batch_sampler=keys,
            num_workers=self.num_workers,
            collate_fn=_stack,
            generator=torch.Generator(),  # otherwise it would draw from the global generator
        )
        yield from loader


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Samples that were encoded once and stay in memory."""

    samples: Sequence[Tensor]
    labels: Sequence[int]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.samples[index], self.labels[index]


def preload(samples: LabelledSet[S], encode: Callable[[S], Tensor]) -> Encoded:
    """Encode every sample now: for sets without augmentation that fit in memory. Load them with ``encode=same``."""
    pairs = [samples[index] for index in range(len(samples))]
    return Encoded([encode(sample) for sample, _ in pairs], [label for _, label in pairs])


def same(sample: Tensor) -> Tensor:
    """Return the sample: the encoding of what is encoded already."""
    return sample


@dataclass(frozen=True, slots=True, eq=False)
class _Keyed(Generic[S]):
    """The loader as a map from (epoch, index) to an encoded sample, as workers need it."""

    loader: Loader[S]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        epoch, index = key
        sample, label = self.loader.samples[index]
        if self.loader.augment is not None:
            sample = self.loader.augment(sample, generator(self.loader.seed, "augment", epoch, index))
        encoded = self.loader.encode(sample)
        if not isinstance(encoded, Tensor) or encoded.ndim == 0:
            got = type(encoded).__name__ if not isinstance(encoded, Tensor) else "a single number"
            mend = "Pass a framing such as NumWindows(num=10)." if isinstance(sample, Events) else ""
            raise ShapeError("Loader.encode", expected="a tensor with time first", got=got, mend=mend)
        return encoded, label


def _stack(pairs: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    shapes = {tuple(sample.shape) for sample, _ in pairs}
    if len(shapes) > 1:
        got = " and ".join(str(shape) for shape in sorted(shapes)[:2])
        mend = "Frame recordings with a given number of frames or a given duration."
        raise ShapeError("Loader", expected="samples of one shape", got=got, mend=mend)
    return torch.stack([sample for sample, _ in pairs], 1), torch.tensor([label for _, label in pairs])
