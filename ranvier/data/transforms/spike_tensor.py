"""Event spike tensor with fixed kernels.

Letters: B bins, C polarity, H W space, E events.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.data.columns import DeviceEvents, add_up, at_least, microseconds, positive, window_of
from ranvier.data.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class TriangleKernel:
    """k(s) = max(0, 1 - |s| / width), the kernel of voxel grids; width None: the distance of two bins."""

    width: float | str | None = None  # ms

    def __post_init__(self) -> None:
        if self.width is not None:
            positive(self.width, "TriangleKernel.width")

    def __call__(self, since: Tensor, between_bins: float) -> Tensor:
        """Weigh events by the time (us, float64) from them to a bin, which may be negative."""
        width = between_bins if self.width is None else microseconds(self.width, "width")
        return (1 - since.abs() / width).clamp_(min=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialKernel:
    """k(s) = exp(-s / tau) for s >= 0, else 0: a leaky synapse. The paper's 1 / tau is left out, so that k(0) = 1."""

    tau: float | str  # ms

    def __post_init__(self) -> None:
        positive(self.tau, "ExponentialKernel.tau")

    def __call__(self, since: Tensor, between_bins: float) -> Tensor:  # noqa: ARG002 # one form for all kernels
        """Weigh events by the time (us, float64) from them to a bin, which may be negative."""
        return torch.exp(-since.clamp(min=0) / microseconds(self.tau, "tau")).where(since >= 0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaKernel:
    """k(s) = (s / tau) exp(1 - s / tau) for s >= 0, else 0: rises to 1 at s = tau."""

    tau: float | str  # ms

    def __post_init__(self) -> None:
        positive(self.tau, "AlphaKernel.tau")

    def __call__(self, since: Tensor, between_bins: float) -> Tensor:  # noqa: ARG002 # one form for all kernels
        """Weigh events by the time (us, float64) from them to a bin, which may be negative."""
        u = since.clamp(min=0) / microseconds(self.tau, "tau")
        return u * torch.exp(1 - u)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeTensor:
    """Event spike tensor: a measure of each event, convolved with a kernel, sampled at B times and each pixel.

    V[b, p, y, x] = sum over events of polarity p at (x, y) of f k(t_b - t), t_b = start + b duration / (B - 1)

    with the measure f = (t - start) / duration ("time") or 1 ("count"). With one bin it is sampled at the end.

    Source: Gehrig et al. 2019, arXiv:1904.08245, eq. 5-7. The paper learns the kernel; here it is given.
    Raises: ConfigError for a number, time or measure that makes no sense.
    """

    num_bins: int
    kernel: TriangleKernel | ExponentialKernel | AlphaKernel = field(default_factory=TriangleKernel)
    measure: Literal["time", "count"] = "time"
    start: float | str | None = None  # ms; None: at the first event
    duration: float | str | None = None  # ms; None: to the last event

    def __post_init__(self) -> None:
        at_least("SpikeTensor.num_bins", self.num_bins, 1)
        if self.measure not in ("time", "count"):
            raise ConfigError("SpikeTensor.measure", expected="'time' or 'count'", got=repr(self.measure))
        if self.duration is not None:
            positive(self.duration, "SpikeTensor.duration")

    def __call__(self, events: Events | DeviceEvents) -> Tensor:
        """Return (B, 2, H, W) float32, on the device of the events."""
        events = DeviceEvents.of(events)
        height, width = events.size
        start, span = window_of(events, self.start, self.duration, least=1)
        events = events.between(start, start + span + 1)
        cell, time = events.cells(), (events.t - start).double()
        measure = time / span if self.measure == "time" else torch.ones_like(time)
        step = span / max(self.num_bins - 1, 1)
        bins = []
        for b in range(self.num_bins):
            at = b * step if self.num_bins > 1 else span
            bins.append(add_up(cell, measure * self.kernel(at - time, step), 2 * height * width))
        return torch.stack(bins).to(torch.float32).view(self.num_bins, 2, height, width)
