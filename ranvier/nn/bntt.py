"""Batch norm through time. Source: Kim and Panda 2021, Front. Neurosci. 15:773954, arXiv:2010.01729.

Axes: T time, B batch, C channels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.core.errors import StateError
from ranvier.nn.stateful import Stateful
from ranvier.nn.steps import Steps, after, places, spread
from ranvier.nn.tdbn import check_channels


class BNTT(Stateful):
    """Batch norm through time: every step has its own statistics and its own weight; there is no bias.

    y[t] = weight[t] * (x[t] - mean[t]) / sqrt(var[t] + eps); mean[t] and var[t] of a channel over batch and space,
    in evaluation the running ones of that step. The place in time is its state.

    Args: num_features: C. num_steps: how many steps there are parameters for. eps: 1e-4, as in the authors' release.
    momentum: as in ``nn.BatchNorm2d``.
    Attributes: weight, 1 at first; running_mean, running_var; each (num_steps, C).
    Raises: ShapeError, StateError for a sequence or stream longer than num_steps, or elements of a batch in training
        that are at different steps.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, num_steps: int, *, eps: float = 1e-4, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_features, self.num_steps, self.eps, self.momentum = num_features, num_steps, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_steps, num_features))
        self.register_buffer("running_mean", torch.zeros(num_steps, num_features))
        self.register_buffer("running_var", torch.ones(num_steps, num_features))

    @property
    def state_type(self) -> Any:
        """The number of steps seen."""
        return Steps

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """One number an element of the batch."""
        return (x_TB.shape[1:2],)

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, Steps]:
        """Normalise (T, B, C, ...) from the step that each element of the batch is at."""
        check_channels("BNTT", x_TB, self.num_features)
        self.check(x_TB, state)
        places_TB = places("BNTT", x_TB, state, self.num_steps)
        if self.training:
            return self._train(x_TB, state), after(x_TB, state)
        scale_TBC = spread((self.weight * torch.rsqrt(self.running_var + self.eps))[places_TB], x_TB)
        return (x_TB - spread(self.running_mean[places_TB], x_TB)) * scale_TBC, after(x_TB, state)

    def _train(self, x_TB: Tensor, state: Steps | None) -> Tensor:
        start = 0
        if state is not None and state.step.numel():
            start = int(state.step[0])
            if bool((state.step != start).any()):
                got = f"steps {state.step.min()} to {state.step.max()}"
                expected = "all elements of a training batch at the same step"
                raise StateError("BNTT", expected=expected, got=got, mend="Batch statistics belong to one step.")
        rows = [
            F.batch_norm(
                x_B, self.running_mean[t], self.running_var[t], self.weight[t], None,
                training=True, momentum=self.momentum, eps=self.eps,
            )
            for t, x_B in enumerate(x_TB, start=start)
        ]  # fmt: skip
        return torch.stack(rows)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.num_features}, num_steps={self.num_steps}, eps={self.eps:g}"
