"""A linear read-out with weights of its own for errors. Source: Bellec et al. 2020, Nat. Commun. 11:3625 (e-prop).

Axes: N features in, K features out.
"""

import torch
from torch import Tensor, nn


class FeedbackLinear(nn.Linear):
    """A linear layer that also holds the weights by which the rule ``EProp`` broadcasts its errors.

    y = W x + b. The weights B of the way back have no part in that, nor in its gradient.

    Args: in_features, out_features, bias: as of ``nn.Linear``. adaptive: whether B is learned: it is then moved by the
        same updates as W^T (Kolen and Pollack 1994), so with weight decay the two come together. Otherwise it stays.
    Attributes: feedback (N, K), normal with variance 1 / N at first; a parameter if adaptive, else a buffer.
    """

    feedback: Tensor

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, adaptive: bool = False) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.adaptive = adaptive
        drawn_NK = torch.randn(in_features, out_features) * in_features**-0.5
        if adaptive:
            self.feedback = nn.Parameter(drawn_NK)
        else:
            self.register_buffer("feedback", drawn_NK)

    def extra_repr(self) -> str:
        """Show the sizes and whether the feedback is learned."""
        return f"{super().extra_repr()}, adaptive={self.adaptive}"
