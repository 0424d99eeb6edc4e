"""Threshold-dependent batch norm. Source: Zheng et al. 2021, AAAI, arXiv:2011.05280.

Axes: T time, B batch, C channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn.inputs import check_sequence
from ranvier.nn.stateful import TimeAware


class TdBN(TimeAware):
    """Threshold-dependent batch norm: each channel is brought to the scale of the threshold.

    y = weight * alpha * v_th * (x - mean) / sqrt(var + eps) + bias; mean and var of a channel over time, batch and
    space together. In evaluation the running statistics are used, so no step knows its place in time: no state.

    Args:
        num_features: C. v_th: threshold of the neurons that follow, mV.
        alpha: 1; 1 / sqrt(2) for each of two branches that are added (a residual block).
        eps, momentum: as in ``nn.BatchNorm2d``.
    Attributes: weight (C,), 1 at first; bias (C,), 0 at first; running_mean, running_var (C,).
    Raises: ShapeError for an input that is not (T, B, C, ...).
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, num_features: int, *, v_th: float = 1.0, alpha: float = 1.0, eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__()
        if not alpha * v_th > 0:
            raise ConfigError("TdBN", expected="alpha * v_th > 0", got=f"alpha={alpha}, v_th={v_th}")
        self.num_features, self.v_th, self.alpha, self.eps, self.momentum = num_features, v_th, alpha, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x_TBC: Tensor) -> Tensor:
        """Normalise (T, B, C, ...)."""
        check_channels("TdBN", x_TBC, self.num_features)
        gain_C = self.weight * (self.alpha * self.v_th)
        y = F.batch_norm(
            x_TBC.flatten(0, 1), self.running_mean, self.running_var, gain_C, self.bias,
            training=self.training, momentum=self.momentum, eps=self.eps,
        )  # fmt: skip
        return y.reshape(x_TBC.shape)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.num_features}, v_th={self.v_th:g}, alpha={self.alpha:g}, eps={self.eps:g}"


def check_channels(where: str, x_TBC: Tensor, num_features: int) -> None:
    """Refuse an input that is not (T, B, C, ...) with C channels.

    Raises: ShapeError, DtypeError.
    """
    check_sequence(where, x_TBC)
    if x_TBC.ndim < 3 or x_TBC.shape[2] != num_features:
        mend = f"Build it with num_features={x_TBC.shape[2]}." if x_TBC.ndim > 2 else ""
        raise ShapeError(where, expected=f"input (T, B, {num_features}, ...)", got=str(tuple(x_TBC.shape)), mend=mend)
