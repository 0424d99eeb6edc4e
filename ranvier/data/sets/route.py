"""A synthetic route: places that drift into each other, seen on several visits under other light, shift and noise.

For place recognition where no recordings are at hand, at any length. Letters: P places, H W space.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a route looks like, and how much a visit changes it.

    Args: places: their number P. side: H = W, pixels. slope: amplitudes of spatial frequency f fall as f^-slope.
        drift: share of a place's variance that is new against the place before it; 1: unrelated places.
        light: standard deviation of a visit's brightness field, which is smooth in space and differs from place to
        place, over the contrast of the places. weather: share of the variance that a visit replaces by a texture of
        its own, as snow or leaves would. shift: most pixels by which a view is moved, along each axis. noise: standard
        deviation of each pixel's noise over the contrast.
    Raises: ConfigError for numbers that make no sense.
    """

    places: int = 60
    side: int = 28
    slope: float = 1.5
    drift: float = 0.8
    light: float = 0.5
    weather: float = 0.1
    shift: int = 1
    noise: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("places", 1), ("side", 2), ("shift", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"Route.{name}", expected=f"at least {least}", got=str(getattr(self, name)))
        for name in ("slope", "light", "noise"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"Route.{name}", expected="a number >= 0", got=str(getattr(self, name)))
        for name in ("drift", "weather"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"Route.{name}", expected="a share in [0, 1]", got=str(getattr(self, name)))


def visit(route: Route, name: str, *, seed: int = 0) -> Tensor:
    """View every place of a route once: (P, H, W) uint8.

    The places depend on route and seed alone, what the visit does to them on its name too: two visits of one name are
    the same, and place p is index p of each.
    """
    draw = generator(seed, "visit", name)
    count, side = route.places, route.side
    seen_PHW = _moved(_places(route, seed), route.shift, draw)
    own_PHW = _textures(count, side, route.slope, draw)
    seen_PHW = (1 - route.weather) ** 0.5 * seen_PHW + route.weather**0.5 * own_PHW
    seen_PHW += route.light * _textures(count, side, 3.0, draw)
    seen_PHW += route.noise * torch.randn(seen_PHW.shape, generator=draw)
    grey_PHW: Tensor = (128 + 48 * seen_PHW).round().clamp(0, 255)
    return grey_PHW.to(torch.uint8)


def _places(route: Route, seed: int) -> Tensor:
    """Draw the places, of variance 1, with a margin for shifts."""
    draw = generator(seed, "places")
    fresh_PHW = _textures(route.places, route.side + 2 * route.shift, route.slope, draw)
    places = [fresh_PHW[0]]
    for fresh_HW in fresh_PHW[1:]:
        places.append((1 - route.drift) ** 0.5 * places[-1] + route.drift**0.5 * fresh_HW)
    return torch.stack(places)


def _moved(places_PHW: Tensor, shift: int, draw: torch.Generator) -> Tensor:
    side = places_PHW.shape[-1] - 2 * shift
    offsets = torch.randint(0, 2 * shift + 1, (len(places_PHW), 2), generator=draw).tolist()
    return torch.stack([view[y : y + side, x : x + side] for view, (y, x) in zip(places_PHW, offsets, strict=True)])


def _textures(count: int, side: int, slope: float, draw: torch.Generator) -> Tensor:
    """Draw noise (P, H, W) whose amplitude spectrum falls as f^-slope, each of mean 0 and variance 1."""
    full = 2 * side  # twice the side, so that opposite edges are not neighbours
    f = torch.fft.fftfreq(full)
    radius = (f[:, None] ** 2 + f[None, : full // 2 + 1].abs() ** 2).sqrt()
    radius[0, 0] = 1.0
    spectrum = torch.fft.rfft2(torch.randn(count, full, full, generator=draw)) * radius**-slope
    drawn_PHW: Tensor = torch.fft.irfft2(spectrum, s=(full, full))[:, :side, :side]
    drawn_PHW -= drawn_PHW.mean((1, 2), keepdim=True)
    return drawn_PHW / drawn_PHW.std((1, 2), keepdim=True).clamp(min=1e-6)
