"""Multiplication by a constant, such as the 2.74 of spikes in networks with weight-standardised convolutions."""

from torch import Tensor, nn


class Scale(nn.Module):
    """y = factor * x.

    Args: factor: a number; 2.74 in SLTT and OTTT (arXiv:2302.14311, 2210.04195) where ``WSConv2d`` hears spikes.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = float(factor)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, whatever the shape."""
        return x * self.factor

    def extra_repr(self) -> str:
        """Show the factor."""
        return f"{self.factor:g}"
