"""How much fine detail a map holds: its spatial spectrum by radial frequency.

Source: Fang et al. 2025, arXiv:2505.18608 (relative log amplitude of feature maps), after Park and Kim 2022,
arXiv:2202.06709. Axes: H W space, F rings of frequency.
"""

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError, ShapeError


def radial_amplitude(maps: Tensor, rings: int) -> Tensor:
    """Average the amplitude of the 2-D Fourier transform over rings of equal width: (F,) float64.

    Ring f holds frequencies with a radius in [f, f + 1) / rings of half a cycle per pixel (the corners beyond that
    belong to the last ring); ring 0 holds the mean. Averages over all leading axes.

    Args: maps: (..., H, W), real. rings: F >= 2.
    Raises: ConfigError; ShapeError for maps without pixels.
    """
    if rings < 2:
        raise ConfigError("radial_amplitude.rings", expected="at least 2", got=str(rings))
    if maps.ndim < 2 or 0 in maps.shape:
        raise ShapeError("radial_amplitude", expected="maps (..., H, W)", got=str(tuple(maps.shape)))
    height, width = maps.shape[-2:]
    amplitude_HW = torch.fft.fft2(maps.detach().double()).abs().reshape(-1, height, width).mean(0)
    down, across = torch.fft.fftfreq(height, dtype=torch.float64), torch.fft.fftfreq(width, dtype=torch.float64)
    radius_HW = (down[:, None].square() + across.square()).sqrt() * 2
    ring_HW = (radius_HW * rings).long().clamp(max=rings - 1)
    total_F, count_F = torch.zeros(rings, dtype=torch.float64), torch.zeros(rings, dtype=torch.float64)
    total_F.index_add_(0, ring_HW.flatten(), amplitude_HW.cpu().flatten())
    count_F.index_add_(0, ring_HW.flatten(), torch.ones(height * width, dtype=torch.float64))
    return total_F / count_F.clamp(min=1)


def relative_log_amplitude(maps: Tensor, rings: int) -> Tensor:
    """Compare each ring with the lowest one: log A(f) - log A(0), (F,) float64; 0 for f = 0, negative if low-pass."""
    amplitude_F = radial_amplitude(maps, rings).clamp(min=torch.finfo(torch.float64).tiny)
    return amplitude_F.log() - amplitude_F[0].log()


def high_frequency_share(maps: Tensor) -> float:
    """Return the share of a map's energy, without its mean, at more than half of the highest frequency (1/4 cycle).

    Raises: ShapeError for maps without pixels.
    """
    if maps.ndim < 2 or 0 in maps.shape:
        raise ShapeError("high_frequency_share", expected="maps (..., H, W)", got=str(tuple(maps.shape)))
    height, width = maps.shape[-2:]
    energy_HW = torch.fft.fft2(maps.detach().double()).abs().square().reshape(-1, height, width).mean(0).cpu()
    down, across = torch.fft.fftfreq(height, dtype=torch.float64), torch.fft.fftfreq(width, dtype=torch.float64)
    radius_HW = (down[:, None].square() + across.square()).sqrt()
    energy_HW[0, 0] = 0.0
    whole = float(energy_HW.sum())
    return float(energy_HW[radius_HW > 0.25].sum()) / whole if whole > 0 else 0.0
