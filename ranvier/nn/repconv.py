"""RepConv: a chain of linear layers in training, one 3 x 3 convolution at inference.

Source: Ding et al. 2021 (RepVGG), arXiv:2101.03697, for the idea; Yao et al. 2024 (Meta-SpikeFormer), arXiv:2404.03663,
for this chain. Letters: B batch, C channels, M features out, H W space.
"""

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError


class PaddedBatchNorm2d(nn.Module):
    """A batch norm that then widens its map by a border of what it makes of zero.

    The border holds pad_C = bias - mean * weight / sqrt(var + eps), with the running statistics, in training too: a
    convolution without padding that follows then sees, in evaluation, what it would have seen had the *input* been
    padded with zeros. So the layers before and after it fold into one zero-padded convolution, borders included. No
    gradient flows through the border.

    Args: num_features: C. width: of the border, pixels. eps, momentum: as in ``nn.BatchNorm2d``.
    """

    def __init__(self, num_features: int, *, width: int = 1, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        if width < 0:
            raise ConfigError("PaddedBatchNorm2d.width", expected="a border of at least 0 pixels", got=str(width))
        self.width = width
        self.norm = nn.BatchNorm2d(num_features, eps=eps, momentum=momentum)

    def of_zero(self) -> Tensor:
        """Return what the norm makes of zero, by its running statistics: (C,), without graph."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain_C = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        return norm.bias.detach() - norm.running_mean * gain_C

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalise (B, C, H, W) and widen it to (B, C, H + 2 width, W + 2 width)."""
        y = self.norm(x_BCHW)  # before the border is read: it moves the running statistics
        edge = (self.width,) * 4
        inside = nn.functional.pad(torch.ones_like(y[:1, :1]), edge)
        border = (1.0 - inside) * self.of_zero().to(y.dtype).reshape(1, -1, 1, 1)
        return nn.functional.pad(y, edge) + border


class RepConv(nn.Module):
    """1 x 1 convolution, batch norm with border, 3 x 3 depthwise, 1 x 1, batch norm: linear, so one 3 x 3 convolution.

    ``fold()`` gives that convolution, zero-padded, equal in evaluation up to rounding. None of the parts has a bias but
    the norms, so the chain has Cin^2 + 2 Cin + 9 Cin + Cin M + 2 M parameters, the folded one 9 Cin M + M.

    Args: in_channels: Cin. out_channels: M.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.expand = nn.Conv2d(in_channels, in_channels, 1, bias=False)
        self.border = PaddedBatchNorm2d(in_channels)
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, groups=in_channels, bias=False)
        self.project = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Call the chain: (B, Cin, H, W) -> (B, M, H, W)."""
        y: Tensor = self.norm(self.project(self.depthwise(self.border(self.expand(x_BCHW)))))
        return y

    @torch.no_grad()
    def fold(self) -> nn.Conv2d:
        """Make the one convolution that this is in evaluation; computed in 64 bits, rounded once.

        W[m, i] = g2[m] sum_c P[m, c] D[c] g1[c] E[c, i]
        b[m] = g2[m] (sum_c P[m, c] sum(D[c]) z[c] - mean2[m]) + b2[m]
        with E, D, P the three convolutions, g the gains of the norms, z what the first norm makes of zero.
        """
        first, second = self.border.norm, self.norm
        assert first.running_var is not None
        assert second.running_var is not None
        assert second.running_mean is not None
        gain1_C = first.weight.double() * torch.rsqrt(first.running_var.double() + first.eps)
        gain2_M = second.weight.double() * torch.rsqrt(second.running_var.double() + second.eps)
        zero_C = first.bias.double() - first.running_mean.double() * gain1_C  # type: ignore[union-attr] # it tracks
        project_MC = self.project.weight.double()[:, :, 0, 0] * gain2_M[:, None]
        depthwise_CHW = self.depthwise.weight.double()[:, 0]
        expand_CI = self.expand.weight.double()[:, :, 0, 0] * gain1_C[:, None]
        weight = torch.einsum("mc,chw,ci->mihw", project_MC, depthwise_CHW, expand_CI)
        bias = project_MC @ (depthwise_CHW.sum((1, 2)) * zero_C)
        bias += second.bias.double() - second.running_mean.double() * gain2_M
        like = self.expand.weight
        folded = nn.Conv2d(self.in_channels, self.out_channels, 3, padding=1, device=like.device, dtype=like.dtype)
        folded.weight.copy_(weight)
        folded.bias.copy_(bias)  # type: ignore[union-attr] # it has one
        return folded.train(self.training)
