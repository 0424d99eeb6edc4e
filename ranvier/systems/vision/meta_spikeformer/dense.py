"""Heads that say something of every place: feature pyramid, semantic segmentation, detection.

Sources: Lin et al. 2017, CVPR (feature pyramid); Kirillov et al. 2019, CVPR, arXiv:1901.02446 (semantic FPN); Tian
et al. 2019, ICCV, arXiv:1904.01355 (FCOS, detection without anchors). The paper detects with Mask R-CNN in two
stages; here one stage without anchors stands for it, on the same pyramid.

Letters: T time, B batch, C channels, H W space, K classes, P places of the finest map.
"""

from torch import Tensor, nn
from torch.nn.functional import interpolate

from ranvier.nn import Sequential, TimeAware
from ranvier.systems.vision.meta_spikeformer.model import STAGES, Model, backbone, begin, lif

FIRST = 1  # stage 1b gives the finest map


class Pyramid(TimeAware):
    """Maps of all stages brought to one width, each with what the coarser ones know.

    side_i = norm(1 x 1 (S(stage_i))), sum_i = side_i + up(sum_i+1), map_i = norm(3 x 3 (S(sum_i))): currents, but
    spikes into every convolution.
    """

    def __init__(self, widths: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(
            Sequential(lif(), nn.Conv2d(before, width, 1), nn.BatchNorm2d(width)) for before in widths
        )
        self.maps = nn.ModuleList(
            Sequential(lif(), nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)) for _ in widths
        )

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        """Turn currents (T, B, C_i, h_i, w_i), finest first, into maps (T, B, width, h_i, w_i)."""
        sums = [side(stage) for side, stage in zip(self.sides, stages, strict=True)]
        for place in range(len(sums) - 1, 0, -1):
            sums[place - 1] = sums[place - 1] + up(sums[place], sums[place - 1], mode="nearest")
        return [layer(current) for layer, current in zip(self.maps, sums, strict=True)]


class Dense(TimeAware):
    """Backbone, pyramid and what reads it: pictures (T, B, Cin, H, W) in."""

    def __init__(self, model: Model, *, in_channels: int, width: int) -> None:
        super().__init__()
        self.backbone = backbone(model, in_channels=in_channels)
        self.pyramid = Pyramid(model.widths[FIRST:], width)
        begin(self.pyramid, model)

    def maps(self, x_TBCHW: Tensor) -> list[Tensor]:
        """Compute the maps of the pyramid, finest first."""
        stages = []
        for name in STAGES:
            x_TBCHW = self.backbone[name](x_TBCHW)
            stages.append(x_TBCHW)
        maps: list[Tensor] = self.pyramid(stages[FIRST:])
        return maps


class Segmenter(Dense):
    """Semantic segmentation: logits (T, B, K, H, W) of every pixel, to be averaged over time.

    The maps of the pyramid are brought to the finest size and added, and a 1 x 1 convolution reads the spikes of that.
    """

    def __init__(self, model: Model, *, in_channels: int, num_classes: int, width: int) -> None:
        super().__init__(model, in_channels=in_channels, width=width)
        self.read = Sequential(lif(), nn.Conv2d(width, num_classes, 1))

    def forward(self, x_TBCHW: Tensor) -> Tensor:
        """Segment."""
        finest, *others = self.maps(x_TBCHW)
        for other in others:
            finest = finest + up(other, finest, mode="bilinear")
        return up(self.read(finest), x_TBCHW, mode="bilinear")


class Detector(Dense):
    """Detection: at every place of the finest map, K logits of classes and 4 distances (T, B, P, K + 4).

    The distances, to left, top, right and bottom, are logarithms, in strides of the map; see ``boxes.decode``.
    """

    def __init__(self, model: Model, *, in_channels: int, num_classes: int, width: int) -> None:
        super().__init__(model, in_channels=in_channels, width=width)
        tower = [lif(), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), lif()]
        read = nn.Conv2d(width, num_classes + 4, 1)
        nn.init.zeros_(read.bias[num_classes:])  # type: ignore[index] # it has a bias
        nn.init.constant_(read.bias[:num_classes], RARE)  # type: ignore[index]
        self.read = Sequential(*tower, read)
        begin(self.read, model)

    def forward(self, x_TBCHW: Tensor) -> Tensor:
        """Detect."""
        y_TBKHW: Tensor = self.read(self.maps(x_TBCHW)[0])
        return y_TBKHW.flatten(3).transpose(2, 3)


RARE = -4.6  # logit of a class at first: a share of 1 in 100 (Lin et al. 2017, arXiv:1708.02002, section 4.1)


def up(x_TBCHW: Tensor, like: Tensor, *, mode: str) -> Tensor:
    """Bring maps to the height and width of others."""
    size = like.shape[-2:]
    if x_TBCHW.shape[-2:] == size:
        return x_TBCHW
    corners = None if mode == "nearest" else False
    resized: Tensor = interpolate(x_TBCHW.flatten(0, 1), size, mode=mode, align_corners=corners)
    return resized.reshape(*x_TBCHW.shape[:3], *size)
