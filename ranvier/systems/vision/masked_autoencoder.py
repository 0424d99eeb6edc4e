"""Masked pre-training of a spiking encoder: the pixels of hidden patches are told from the visible ones.

Source: He et al. 2022, arXiv:2111.06377 (decoder, normalised pixels, error of the hidden patches alone); for spiking
encoders with a convolutional stem: Zhou et al. 2024, "Spikformer V2", arXiv:2401.02020.
Letters: T time, B batch, C channels, H W space, L patches, P values of a patch, D channels of the decoder.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn import TimeAware, run_masked


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The decoder, which is not spiking and is thrown away: channels, blocks and heads of a plain transformer."""

    channels: int = 256
    depth: int = 4
    heads: int = 4

    def __post_init__(self) -> None:
        if min(self.channels, self.depth, self.heads) < 1 or self.channels % 4 or self.channels % self.heads:
            expected = "numbers >= 1, channels a multiple of 4 and of the heads"
            raise ConfigError("Decoder", expected=expected, got=f"{self.channels}, {self.depth}, {self.heads}")


class MaskedAutoencoder(TimeAware):
    """Encoder on the visible patches, a mask token in the place of the hidden ones, decoder, pixels of every patch.

    The encoder runs masked (``nn.run_masked``) on all positions, so patches keep their order: output i is patch i. Its
    output is averaged over time, normalised per channel, brought to D channels; hidden positions become the mask token;
    fixed sines and cosines of the place are added.

    Args: encoder: (T, B, C, H, W) to (T, B, channels, side, side). side: patches along a side of an image. values: P.
    """

    def __init__(self, encoder: nn.Module, *, channels: int, side: int, values: int, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.side = encoder, side
        self.norm = nn.BatchNorm1d(channels)
        self.embed = nn.Linear(channels, decoder.channels)
        self.mask_token = nn.Parameter(torch.zeros(decoder.channels))
        nn.init.normal_(self.mask_token, std=0.02)
        self.register_buffer("place", places(side, decoder.channels), persistent=False)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                decoder.channels, decoder.heads, 4 * decoder.channels, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(decoder.depth)
        )  # fmt: skip
        self.last = nn.LayerNorm(decoder.channels)
        self.pixels = nn.Linear(decoder.channels, values)

    def encode(self, inputs_TB: Tensor) -> tuple[Tensor, Tensor]:
        """Encode the visible part. Args: as of ``forward``. Returns: (B, L, C), 0 where hidden, and (B, L) visible."""
        images_TB, visible_BHW = inputs_TB[:, :, :-1], inputs_TB[0, :, -1] > 0.5
        maps_BCHW = run_masked(self.encoder, images_TB, visible_BHW).mean(0)
        if maps_BCHW.shape[-2:] != (self.side, self.side):
            expected = f"an encoder that gives {self.side} x {self.side} positions"
            raise ShapeError("MaskedAutoencoder", expected=expected, got=str(tuple(maps_BCHW.shape)))
        step = visible_BHW.shape[-1] // self.side
        return maps_BCHW.flatten(2).transpose(1, 2), visible_BHW[:, ::step, ::step].flatten(1)

    def forward(self, inputs_TB: Tensor) -> Tensor:
        """Predict. Args: (T, B, C + 1, H, W), see ``data.MaskedBatches``. Returns: (B, L, P), of every patch."""
        features_BLC, visible_BL = self.encode(inputs_TB)
        normed_MC = self.norm(features_BLC[visible_BL])  # its statistics, too, are those of what is visible
        x_BLD = self.mask_token.expand(*visible_BL.shape, -1).to(normed_MC.dtype).clone()
        x_BLD[visible_BL] = self.embed(normed_MC).to(x_BLD.dtype)
        x_BLD = x_BLD + self.get_buffer("place")
        for block in self.blocks:
            x_BLD = block(x_BLD)
        pixels_BLP: Tensor = self.pixels(self.last(x_BLD))
        return pixels_BLP


def places(side: int, channels: int) -> Tensor:
    """Sines and cosines of row and column: (side * side, channels), a quarter of the channels for each.

    Frequencies fall from 1 to 1e-4 as 10000^(-i / n), n = channels / 4. Source: Vaswani et al. 2017, in two dimensions.
    """
    frequency = torch.exp(torch.arange(channels // 4) * (-math.log(10_000) / (channels // 4)))
    angle_SF = torch.arange(side)[:, None] * frequency
    waves_SF = torch.cat([angle_SF.sin(), angle_SF.cos()], 1)
    rows, columns = waves_SF[:, None].expand(-1, side, -1), waves_SF[None].expand(side, -1, -1)
    return torch.cat([rows, columns], 2).reshape(side * side, channels)


def hidden_error(predicted_BLP: Tensor, targets_BLP: Tensor) -> Tensor:
    """Mean squared error of the hidden patches. Args: targets_BLP: (B, L, 1 + P), see ``data.MaskedBatches``."""
    hidden_BL, pixels_BLP = targets_BLP[..., 0], targets_BLP[..., 1:]
    error_BL = (predicted_BLP.float() - pixels_BLP).square().mean(-1)
    return (error_BL * hidden_BL).sum() / hidden_BL.sum()
