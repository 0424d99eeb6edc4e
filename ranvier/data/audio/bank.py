"""Banks of band filters on the short-time spectrum: mel triangles, and gammatones spaced as in the cochlea.

Letters: T frames, F frequencies of the spectrum, K bands, N samples.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.core.units import parse
from ranvier.data.audio.sound import Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank(ABC):
    """A bank of band filters, called with a ``Sound``.

    E[t, k] = sum_f W[k, f] |X[t, f]|^2, X the spectrum of a Hann window of length ``window`` that moves by ``hop``; the
    first is centred on the first sample. What comes out is compressed as ears do, see the subclasses.

    Args:
        num_bands: K. low, high: Hz, between which the centres lie; high None is half the rate of the sound.
        window, hop: ms, or with a unit. num_frames: T; longer sounds are cut, shorter ones end in silence. None: as
            many as the sound has, 1 + N / hop.
    Raises: ConfigError for numbers that make no bank, or a sound whose rate is too low for ``high``.
    """

    num_bands: int = 32
    low: float = 80.0
    high: float | None = None
    window: float | str = 25.0
    hop: float | str = 10.0
    num_frames: int | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.num_bands < 1:
            raise ConfigError(f"{name}.num_bands", expected="at least 1", got=str(self.num_bands))
        if self.num_frames is not None and self.num_frames < 1:
            raise ConfigError(f"{name}.num_frames", expected="at least 1, or None", got=str(self.num_frames))
        if not 0 < self.low < (self.high if self.high is not None else math.inf):
            raise ConfigError(f"{name}.low", expected="a frequency > 0 and below high", got=f"{self.low} Hz")
        for field in ("window", "hop"):
            value = getattr(self, field)
            if not parse(value, "ms", where=f"{name}.{field}") > 0:
                raise ConfigError(f"{name}.{field}", expected="a time > 0 ms", got=repr(value))

    def __call__(self, sound: Sound) -> Tensor:
        """Return the compressed band energies (T, K), float32."""
        samples_N = torch.from_numpy(sound.samples)
        if not len(samples_N):
            raise ShapeError(type(self).__name__, expected="a sound with at least one sample", got="an empty one")
        window, hop = self._samples(self.window, sound.rate), self._samples(self.hop, sound.rate)
        length = 1 << max(window - 1, 1).bit_length()  # of the transform: the next power of two
        if self.num_frames is not None:
            wanted = (self.num_frames - 1) * hop + 1
            samples_N = torch.nn.functional.pad(samples_N[:wanted], (0, max(0, wanted - len(samples_N))))
        spectrum_FT = torch.stft(
            samples_N, length, hop, window, torch.hann_window(window), center=True, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        power_TF = spectrum_FT.abs().square().T
        frequencies_F = torch.linspace(0, sound.rate / 2, length // 2 + 1)
        return self.compress(power_TF @ self.weights(frequencies_F, self._high(sound.rate)).T)

    @abstractmethod
    def centres(self, high: float) -> Tensor:
        """Return the frequencies (K,) of the bands, Hz, if the bank ends at ``high``."""

    @abstractmethod
    def weights(self, frequencies_F: Tensor, high: float) -> Tensor:
        """Return how much each band (K, F) hears of each frequency's power."""

    @abstractmethod
    def compress(self, energy_TK: Tensor) -> Tensor:
        """Return energies as the next stage hears them."""

    def _samples(self, time: float | str, rate: int) -> int:
        return max(1, round(parse(time, "ms", where=type(self).__name__) * rate / 1000))

    def _high(self, rate: int) -> float:
        high = rate / 2 if self.high is None else self.high
        if not self.low < high <= rate / 2:
            expected = f"frequencies between {self.low:g} Hz and {rate / 2:g} Hz, half the rate of the sound"
            raise ConfigError(f"{type(self).__name__}.high", expected=expected, got=f"{high:g} Hz")
        return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Mel(Bank):
    """Triangles whose corners are equidistant in mel = 2595 log10(1 + f / 700), compressed by a logarithm.

    Neighbouring triangles add up to 1 between the first and the last centre. Returned: log(E + floor).

    Args: floor: energy below which all is silence.
    Source: Davis and Mermelstein 1980, IEEE TASSP 28:357; mel after O'Shaughnessy 1987, Speech Communication.
    """

    floor: float = 1e-6

    def centres(self, high: float) -> Tensor:
        """Return the middle corners of the triangles."""
        return self._corners(high)[1:-1]

    def weights(self, frequencies_F: Tensor, high: float) -> Tensor:
        """Return the triangles."""
        corners = self._corners(high)
        left_K1, middle_K1, right_K1 = (c.unsqueeze(1) for c in (corners[:-2], corners[1:-1], corners[2:]))
        rise_KF = (frequencies_F - left_K1) / (middle_K1 - left_K1)
        fall_KF = (right_K1 - frequencies_F) / (right_K1 - middle_K1)
        return torch.minimum(rise_KF, fall_KF).clamp(min=0)

    def compress(self, energy_TK: Tensor) -> Tensor:
        """Return log(E + floor)."""
        return torch.log(energy_TK + self.floor)

    def _corners(self, high: float) -> Tensor:
        first, last = (2595 * math.log10(1 + f / 700) for f in (self.low, high))
        mels = torch.linspace(first, last, self.num_bands + 2, dtype=torch.float64)
        return (700 * (10 ** (mels / 2595) - 1)).float()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cochlea(Bank):
    """Gammatone filters of order 4, equidistant on the scale of critical bands, compressed by a power.

    |H(f)|^2 = (1 + ((f - fc) / b)^2)^-4,  b = 1.019 ERB(fc),  ERB(f) = 24.7 (4.37 f / 1000 + 1) Hz. Returned: E^power,
    0.3 being about what the basilar membrane does to loud sounds.

    Args: power: of the compression.
    Source: Patterson et al. 1987 (gammatone); Glasberg and Moore 1990, Hearing Research 47:103 (ERB).
    """

    power: float = 0.3

    def centres(self, high: float) -> Tensor:
        """Return the centres, equidistant in 21.4 log10(4.37 f / 1000 + 1)."""
        first, last = (math.log10(4.37 * f / 1000 + 1) for f in (self.low, high))
        steps = torch.linspace(first, last, self.num_bands + 2, dtype=torch.float64)[1:-1]
        return ((10**steps - 1) * 1000 / 4.37).float()

    def weights(self, frequencies_F: Tensor, high: float) -> Tensor:
        """Return the squared magnitude of each filter."""
        centre_K1 = self.centres(high).unsqueeze(1)
        width_K1 = 1.019 * 24.7 * (4.37 * centre_K1 / 1000 + 1)
        return (1 + ((frequencies_F - centre_K1) / width_K1).square()) ** -4

    def compress(self, energy_TK: Tensor) -> Tensor:
        """Return E^power."""
        return energy_TK**self.power
