"""Motion before an event camera: textures that slide, and who tells direction and speed from the events.

Source: Grimaldi and Perrinet 2023, Biological Cybernetics, arXiv:2307.14077.

Letters: T time, B batch, C polarity, H W space, K classes of motion.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ranvier.core.counts import require_counts
from ranvier.core.errors import ConfigError
from ranvier.core.seeds import generator
from ranvier.data.camera import Camera, Pan
from ranvier.data.frames import TimeWindows
from ranvier.data.loader import Encoded
from ranvier.data.sets import natural_images
from ranvier.nn import DelayConv2d, Sequential
from ranvier.nn.stateful import TimeAware
from ranvier.train.losses import Objective

Labelled = tuple[Tensor, Tensor]  # events (T, C, H, W), class at each step (T,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What moves, how, and before which camera. A step is 1 ms.

    Args:
        images: "textures", noise whose amplitude falls as 1 / frequency; "natural", the photographs in RANVIER_DATA.
        directions, speeds: how many; classes are all pairs. spacing: of one speed to the next, about 1 pixel a step.
        steps: of a movie to learn from, which moves one way. side: of it, pixels. tiles: along a side of what the
            camera sees, each a movie. views: that the camera has for each class.
        path: steps of a movie to judge by. block: steps, on average, until its motion changes. paths: such movies.
        contrast: threshold of the camera, log intensity.
    """

    images: Literal["textures", "natural"] = "textures"
    directions: int = 4
    speeds: int = 2
    spacing: float = 2.0
    steps: int = 24
    side: int = 16
    tiles: int = 3
    views: int = 4
    path: int = 120
    block: int = 40
    paths: int = 8
    contrast: float = 0.2

    def __post_init__(self) -> None:
        if self.images not in ("textures", "natural"):
            raise ConfigError("Motion.images", expected='"textures" or "natural"', got=repr(self.images))
        require_counts(
            "Motion.", self, "directions", "speeds", "steps", "side", "tiles", "views", "path", "block", "paths"
        )
        if not self.spacing > 1:
            raise ConfigError("Motion.spacing", expected="a factor > 1", got=str(self.spacing))

    @property
    def num_classes(self) -> int:
        """K."""
        return self.directions * self.speeds

    def velocity(self, label: int) -> tuple[float, float]:
        """Return (dy, dx) of a class, pixels a step: speeds vary fastest."""
        angle = 2 * math.pi * (label // self.speeds) / self.directions
        speed = self.spacing ** (label % self.speeds - (self.speeds - 1) / 2)
        return speed * math.sin(angle), speed * math.cos(angle)


def film(image: Tensor, labels: Sequence[int], side: int, config: Motion) -> Tensor:
    """Move an image by the velocity of a class at each step, and return the camera's events (T, 2, side, side).

    The image is shown as a torus, so that motion never runs out of it; the camera sees a square of it.
    """
    way = [(0.0, 0.0)]
    for label in labels:
        dy, dx = config.velocity(label)
        way.append((way[-1][0] + dy, way[-1][1] + dx))
    frames = []
    for y, x in way:
        whole = (math.floor(y), math.floor(x))
        rolled = torch.roll(image, whole, (0, 1))[: side + 1, : side + 1]
        part = Pan(path=((0.0, 0.0), (y - whole[0], x - whole[1])), duration=1.0, frame=1.0)
        frames.append(list(part(rolled))[-1][1][1:, 1:])
    camera = Camera(contrast_on=config.contrast, contrast_off=config.contrast)
    events = camera(torch.stack(frames), [1000 * k for k in range(len(frames))])
    # Step k holds the events of (k, k + 1] ms: those of the camera are dated by the end of their frame.
    shown = TimeWindows(window=1.0, duration=float(len(labels)), start=0.001, values="binary")
    return shown(events)


def texture(side: int, own: torch.Generator) -> Tensor:
    """Draw a texture (side, side) of intensities: log intensity is noise of standard deviation 0.5, 1 / f, periodic."""
    across = torch.fft.fftfreq(side)
    frequency = (across[:, None].square() + across[None, :].square()).sqrt()
    frequency[0, 0] = math.inf
    noise = torch.fft.fft2(torch.randn(side, side, generator=own)) / frequency
    return _shown(torch.fft.ifft2(noise).real)


def whitened(photograph: Tensor) -> Tensor:
    """Give a photograph (H, W), 0 to 255, a flat spectrum, whatever its contrast, as intensities like a texture's.

    Log intensity is multiplied by f exp(-(f / f0)^4), f0 = 0.4 cycles a pixel, and gets a standard deviation of 0.5;
    one without contrast stays so. Source of the filter: Olshausen and Field 1997, Vision Res. 37:3311.
    """
    down, across = (torch.fft.fftfreq(n) for n in photograph.shape)
    frequency = (down[:, None].square() + across[None, :].square()).sqrt()
    spectrum = torch.fft.fft2(torch.log(photograph + 1.0)) * frequency * torch.exp(-((frequency / 0.4) ** 4))
    return _shown(torch.fft.ifft2(spectrum).real)


def _shown(log: Tensor) -> Tensor:
    return 0.3 * torch.exp(0.5 * (log - log.mean()) / log.std().clamp(min=1e-4)).clamp(max=3.0)


def pictures(config: Motion, seed: int, split: str, number: int, side: int) -> list[Tensor]:
    """Draw as many pictures of at least this side: textures, or parts of photographs other than the other split's."""
    own = generator(seed, "pictures", split)
    if config.images == "textures":
        return [texture(2 * side, own) for _ in range(number)]
    found: list[Tensor] = []
    for part in natural_images.PARTS:
        photographs = torch.from_numpy(natural_images.load(part))
        held_out = len(photographs) // 4
        found += photographs[:-held_out] if split == "train" else photographs[-held_out:]
    made = []
    for _ in range(number):
        photograph = found[int(torch.randint(len(found), (), generator=own))]
        size = min(2 * side, *photograph.shape)
        y, x = (int(torch.randint(length - size + 1, (), generator=own)) for length in photograph.shape)
        made.append(whitened(photograph.float())[y : y + size, x : x + size])
    return made


def movies(config: Motion, seed: int, split: str) -> Encoded:
    """Film every class ``views`` times (a quarter for "test") and cut each view into tiles: movies (T, 2, H, W)."""
    views = config.views if split == "train" else max(1, config.views // 4)
    side = config.side * config.tiles
    shown = iter(pictures(config, seed, split, views * config.num_classes, side))
    samples: list[Tensor] = []
    labels: list[int] = []
    for label in range(config.num_classes):
        for _ in range(views):
            events = film(next(shown), [label] * config.steps, side, config)
            tiled = events.unfold(2, config.side, config.side).unfold(3, config.side, config.side)
            samples += [part.contiguous() for part in tiled.flatten(2, 3).unbind(2)]
            labels += [label] * config.tiles**2
    return Encoded(samples, labels)


def gaze(config: Motion, seed: int) -> list[Labelled]:
    """Film paths on which the motion changes after a random time, as gaze does, on pictures not learned from."""
    own = generator(seed, "gaze")
    side = 2 * config.side
    made = []
    for picture in pictures(config, seed, "test", config.paths, side):
        labels: list[int] = []
        while len(labels) < config.path:
            label = int(torch.randint(config.num_classes, (), generator=own))
            length = 1 + int(torch.poisson(torch.tensor(config.block - 1.0), generator=own))
            labels += [label] * length
        labels = labels[: config.path]
        made.append((film(picture, labels, side, config), torch.tensor(labels)))
    return made


class ClassesLast(TimeAware):
    """(T, B, K, H, W) to (T, B, H, W, K)."""

    def forward(self, x_TBKHW: Tensor) -> Tensor:
        """Move the classes to the end."""
        return x_TBKHW.movedim(2, -1)


def detector(config: Motion, *, delays: int, size: int, seed: int) -> nn.Module:
    """Build the layer: events (T, B, 2, H, W) in, evidence (T, B, H', W', K) out, the logit of each class everywhere.

    Kernels start small, and biases at the logit of 1 / K.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = DelayConv2d(2, config.num_classes, delays=delays, size=size, swap=True)
    with torch.no_grad():
        layer.weight.mul_(0.3)
        layer.bias.fill_(-math.log(max(config.num_classes - 1, 1)))
    return Sequential({"evidence": layer, "last": ClassesLast()})


class Everywhere(Objective):
    """L = mean over steps, places and classes of the binary cross-entropy of each class, the label being one-hot.

    The decision is the class of the largest evidence, averaged over steps and places.
    """

    def __call__(self, outputs_TBK: Tensor, targets_B: Tensor) -> Tensor:
        """Compute the loss. Args: outputs_TBK: (T, B, H, W, K). targets_B: (B,)."""
        wanted_BK = nn.functional.one_hot(targets_B, outputs_TBK.shape[-1]).to(outputs_TBK.dtype)
        wanted = wanted_BK[None, :, None, None].expand_as(outputs_TBK)
        return binary_cross_entropy_with_logits(outputs_TBK, wanted)

    def decide(self, outputs_TBK: Tensor) -> Tensor:
        """Return the class (B,)."""
        return outputs_TBK.mean((0, 2, 3)).argmax(-1)


@torch.no_grad()
def accuracy(net: nn.Module, movies_: Sequence[Labelled]) -> float:
    """Return the share of steps, changes of motion included, at which the evidence everywhere says the right class."""
    right = []
    for events, labels in movies_:
        evidence_TK = net(events.unsqueeze(1))[:, 0].mean((1, 2))
        right.append((evidence_TK.argmax(-1) == labels).float())
    return float(torch.cat(right).mean())


@torch.no_grad()
def pruned(layer: DelayConv2d, keep: float) -> Tensor:
    """Return the layer's weights with all but the largest share ``keep`` set to 0."""
    weight = layer.weight.detach()
    num = max(1, round(keep * weight.numel()))
    least = weight.abs().flatten().topk(num).values[-1]
    return torch.where(weight.abs() >= least, weight, 0.0)


@torch.no_grad()
def shortened(layer: DelayConv2d, keep: float) -> Tensor:
    """Return the layer's weights with all but the shortest share ``keep`` of the delays set to 0, at least one kept."""
    weight = layer.weight.detach().clone()
    weight[:, :, max(1, round(keep * layer.delays)) :] = 0.0
    return weight


def with_weight(net: Sequential, weight: Tensor) -> Sequential:
    """Return a copy of a detector with other weights."""
    other = deepcopy(net)
    layer = other["evidence"]
    assert isinstance(layer, DelayConv2d)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return other
