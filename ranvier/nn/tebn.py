"""Temporal effective batch norm. Source: Duan et al. 2022, NeurIPS 35:34377.

Axes: T time, B batch, C channels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.nn.stateful import Stateful
from ranvier.nn.steps import Steps, after, places, spread
from ranvier.nn.tdbn import check_channels


class TEBN(Stateful):
    """Temporal effective batch norm: one batch norm for all steps, and a learned weight for each step.

    y[t] = p[t] * (weight * (x[t] - mean) / sqrt(var + eps) + bias); mean and var of a channel over time, batch and
    space together, in evaluation the running ones. The place in time is its state.

    Args: num_features: C. num_steps: how many steps there are weights for. eps, momentum: as in ``nn.BatchNorm2d``.
    Attributes: p (num_steps,), 1 at first; weight, bias, running_mean, running_var (C,).
    Raises: ShapeError, StateError for a sequence or stream longer than num_steps.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, num_steps: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_features, self.num_steps, self.eps, self.momentum = num_features, num_steps, eps, momentum
        self.p = nn.Parameter(torch.ones(num_steps))
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    @property
    def state_type(self) -> Any:
        """The number of steps seen."""
        return Steps

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """One number an element of the batch."""
        return (x_TB.shape[1:2],)

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Steps]:
        """Normalise (T, B, C, ...) from the step that each element of the batch is at."""
        check_channels("TEBN", x_TB, self.num_features)
        self.check(x_TB, state)
        p_TB = spread(self.p[places("TEBN", x_TB, state, self.num_steps)], x_TB)
        if self.training:
            y = F.batch_norm(
                x_TB.flatten(0, 1), self.running_mean, self.running_var, self.weight, self.bias,
                training=True, momentum=self.momentum, eps=self.eps,
            )  # fmt: skip
            return y.reshape(x_TB.shape) * p_TB, after(x_TB, state)
        # Written out, because torch's batch norm may round otherwise for another batch: a stream would differ.
        mean, scale, bias = (
            spread(v.expand(1, 1, -1), x_TB)
            for v in (self.running_mean, self.weight * torch.rsqrt(self.running_var + self.eps), self.bias)
        )
        return ((x_TB - mean) * scale + bias) * p_TB, after(x_TB, state)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.num_features}, num_steps={self.num_steps}, eps={self.eps:g}"
