"""Convolution with scaled weight standardisation. Source: Brock et al. 2021, ICLR, arXiv:2101.08692, eq. 1.

Axes: M features out.
"""

from typing import Any

import torch
from torch import Tensor, nn


class WSConv2d(nn.Conv2d):
    """Convolution whose weights are standardised, for networks without batch norm (of SLTT and OTTT, for instance).

    W^ = gain (W - mean) / sqrt(var fan_in + eps), with mean and (population) variance of each filter: for inputs of
    independent numbers of mean square 1 the outputs have about that too. A spike of mean rate r has mean square r, so
    spikes are scaled up before it (``Scale``). In evaluation as in training: it has no statistics of the data.

    Args: as of ``nn.Conv2d``. eps: inside the root, 1e-4 in SLTT and OTTT.
    Attributes: gain (M, 1, 1, 1), learned, 1 at first.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, eps: float = 1e-4, **options: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(out_channels, 1, 1, 1))

    def standardised(self) -> Tensor:
        """Compute W^."""
        fan_in = self.weight[0].numel()
        var, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        standardised: Tensor = self.gain * (self.weight - mean) * torch.rsqrt(var * fan_in + self.eps)
        return standardised

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Convolve (B, C, H, W)."""
        y: Tensor = self._conv_forward(input, self.standardised(), self.bias)
        return y
