"""From intensity to what a pixel's comparator sees: the logarithm, then a low-pass that is slower in the dark."""

import math

import torch
from torch import Tensor

from ranvier.core.errors import DtypeError, NonFiniteError, ShapeError

_KNEE = 20.0  # of 255: linear below, so that the steps of 8-bit images do not explode in the dark


def intensity(frame: Tensor, where: str) -> Tensor:
    """Check a grey frame (H, W) and give its intensities as float64, 1 for white (bytes: 255).

    Raises: ShapeError, DtypeError, NonFiniteError (negative intensities as well).
    """
    if frame.ndim != 2 or not frame.numel():
        mend = "Average the colours first: frame.float().mean(0)." if frame.ndim == 3 else ""
        raise ShapeError(where, expected="a grey frame (H, W)", got=str(tuple(frame.shape)), mend=mend)
    if frame.dtype == torch.uint8:
        return frame.double() / 255
    if not frame.is_floating_point():
        raise DtypeError(where, expected="bytes, or floats with 1 for white", got=str(frame.dtype))
    if not bool((torch.isfinite(frame) & (frame >= 0)).all()):
        raise NonFiniteError(where, expected="finite intensities >= 0", got="NaN, infinity or a negative one")
    return frame.double()


def log_intensity(light: Tensor) -> Tensor:
    """Return L = ln(x) for x = 255 I > 20, and the line x ln(20) / 20 through 0 below.

    Source: Hu, Liu and Delbruck 2021, arXiv:2006.07722, section 3 (linear-logarithmic mapping).
    """
    x = light * 255
    return torch.where(x > _KNEE, torch.log(x.clamp(min=_KNEE)), x * (math.log(_KNEE) / _KNEE))


def brightness(light: Tensor) -> Tensor:
    """Return (255 I + 20) / 275: 1 for white, 1 / 14 for black; bandwidth and shot noise go by it (v2e, as above)."""
    return (light * 255 + 20) / 275


def low_pass(before: Tensor, start: Tensor, stop: Tensor, tau: Tensor, duration: float) -> Tensor:
    """Filter an input that goes from ``start`` to ``stop`` on a line, exactly: tau dy/dt = x - y, y(0) = before.

    y(D) = x(D) - s tau + (y(0) - x(0) + s tau) exp(-D / tau),  s = (x(D) - x(0)) / D

    Args: tau: time constant, in the unit of ``duration``.
    """
    lag = (stop - start) / duration * tau
    return stop - lag + (before - start + lag) * torch.exp(-duration / tau)
