"""Samples of the tasks: spike counts, or pixels, (T, C) with their labels. Axes: T time, B batch, C channels."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ranvier.core.seeds import derive, generator
from ranvier.data import TimeWindows, preload, same
from ranvier.data.adding import Adding
from ranvier.data.audio import Cochlea, Sound
from ranvier.data.events import Events
from ranvier.data.loader import Encoded, LabelledSet
from ranvier.data.motifs import Motifs
from ranvier.data.sets import fsdd, mnist, shd
from ranvier.nn.encode import sigma_delta
from ranvier.systems.signals.elm.config import SIDE, Config

Split = Literal["train", "test"]


def samples(config: Config, split: Split) -> LabelledSet[Tensor]:
    """Make the samples of a split: pairs of digits with their sum, or, of "mnist", single digits.

    Raises: DataError if recordings are asked for and absent.
    """
    if config.task == "mnist":
        return _pixels(config, split)
    digits = {"motifs": _motifs, "fsdd": _spoken, "shd": _heidelberg}[config.task](config, split)
    num = config.num_train if split == "train" else config.num_test
    return Adding(digits=digits, num=num, seed=derive(config.seed, split))


def _pixels(config: Config, split: Split) -> Encoded:
    """Handwritten digits, pixel by pixel: (196, 1), row by row, each the mean of four of the original."""
    found = mnist.load(split)
    num = min(config.num_train if split == "train" else config.num_test, len(found))
    chosen_B = torch.randperm(len(found), generator=generator(config.seed, "pixels", split))[:num].numpy()
    images_BCHW = torch.from_numpy(found.images[chosen_B]).float() / 255
    small_BCHW = avg_pool2d(images_BCHW, images_BCHW.shape[-1] // SIDE)
    return Encoded(list(small_BCHW.flatten(1).unsqueeze(2)), found.labels[chosen_B].tolist())


def _motifs(config: Config, split: Split) -> Encoded:
    sizes = {"num": config.num_digits, "classes": config.digits, "steps": config.steps, "channels": config.channels}
    return preload(Motifs(**sizes, seed=config.seed, part=split), same)


def _spoken(config: Config, split: Split) -> Encoded:
    return preload(fsdd.load(split), cochlea_spikes(config))


def cochlea_spikes(config: Config) -> Callable[[Sound], Tensor]:
    """Make the encoding of a spoken digit: (T, C) counts whose running sum follows that of each band's loudness."""
    bank = Cochlea(num_bands=config.channels, hop=config.dt, num_frames=config.steps)

    def encode(sound: Sound) -> Tensor:
        loud_TC = bank(sound)
        threshold = 2 * float(loud_TC.mean()) + 1e-9  # each recording at about the same rate, however loud it is
        return sigma_delta(loud_TC.unsqueeze(1), threshold=threshold)[:, 0, 1]

    return encode


def _heidelberg(config: Config, split: Split) -> Encoded:
    framing = TimeWindows(window=config.dt, duration=config.steps * config.dt)

    def encode(events: Events) -> Tensor:
        return framing(events)[:, 1].flatten(1)

    return preload(shd.load(split), encode)
