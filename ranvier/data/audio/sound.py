"""A sound: one channel of samples and how many there are a second."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.core.errors import ConfigError, ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A waveform of one channel.

    Args: samples: (N,) float32, full scale is -1 to 1; int16 is scaled to it. rate: samples a second.
    Raises: ShapeError unless there is one axis; ConfigError for another type, or a rate that is not positive.
    """

    samples: NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1:
            raise ShapeError("Sound", expected="samples (N,) of one channel", got=str(self.samples.shape))
        if self.samples.dtype == np.int16:
            object.__setattr__(self, "samples", self.samples.astype(np.float32) / 32768)
        elif self.samples.dtype != np.float32:
            raise ConfigError("Sound", expected="samples of float32 or int16", got=str(self.samples.dtype))
        if self.rate < 1:
            raise ConfigError("Sound.rate", expected="a number of samples a second", got=repr(self.rate))

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def duration(self) -> float:
        """Length, ms."""
        return 1000 * len(self) / self.rate
