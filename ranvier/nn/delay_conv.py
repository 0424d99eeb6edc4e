"""A convolution over space with a kernel for each delay. Source: Grimaldi and Perrinet 2023, arXiv:2307.14077.

Letters: T time, B batch, C channels in, M channels out, K delays, H W space, i j places in a kernel.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn.attention.product import ProductCount
from ranvier.nn.sliding_psn import latest, past
from ranvier.nn.stateful import Stateful


class DelayConv2d(Stateful):
    """A neuron at each place with many synapses on its surroundings, each with a delay of its own.

    ::

        y[t, m, h, w] = bias[m] + sum over c, k, i, j of weight[m, c, k, i, j] x[t - k, c, h + i, w + j]

    Only the past counts, k = 0 is the present; x = 0 before the start. Space is as in ``nn.Conv2d`` without padding:
    the output is smaller by the kernel less one.

    With ``swap`` the two input channels are the polarities of an event camera, and the larger is taken of the sum for
    the input and the sum for the input with its polarities exchanged, as a complex cell does (bias added after).

    Args: in_channels, out_channels: C, M. delays: K. size: of the square kernel, in pixels.
    Attributes: weight (M, C, K, i, j), normal of variance 1 / (C K size^2); bias (M,), 0.
    State: ``past`` (B, K - 1, C, H, W), the latest inputs, the oldest first.
    Raises: ConfigError for numbers that make no sense; ShapeError for an input that is not (T, B, C, H, W), H and W at
        least ``size``.
    """

    class State(NamedTuple):
        """State of synapses with delays."""

        past: Tensor  # (B, K - 1, C, H, W) the latest inputs, the oldest first

    def __init__(self, in_channels: int, out_channels: int, *, delays: int, size: int, swap: bool = False) -> None:
        super().__init__()
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "delays": delays, "size": size}
        for name, number in sizes.items():
            if number < 1:
                raise ConfigError(f"DelayConv2d.{name}", expected="at least 1", got=str(number))
        if swap and in_channels != 2:
            raise ConfigError("DelayConv2d.swap", expected="2 in_channels with it", got=str(in_channels))
        self.in_channels, self.out_channels, self.delays, self.size = in_channels, out_channels, delays, size
        self.swap = swap
        shape = (out_channels, in_channels, delays, size, size)
        self.weight = nn.Parameter(torch.randn(shape) * (in_channels * delays * size**2) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    @property
    def state_type(self) -> Any:
        """The latest inputs."""
        return self.State

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """K - 1 steps of the input."""
        return (torch.Size((x_TB.shape[1], self.delays - 1, *x_TB.shape[2:])),)

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """Turn (T, B, C, H, W) into (T, B, M, H', W'); the state holds what later steps will hear."""
        self.check(x_TB, state)
        if x_TB.ndim != 5 or x_TB.shape[2] != self.in_channels or min(x_TB.shape[3:]) < self.size:
            expected = f"an input (T, B, {self.in_channels}, H, W), H and W at least {self.size}"
            raise ShapeError("DelayConv2d", expected=expected, got=str(tuple(x_TB.shape)))
        past_KB = past(x_TB, None if state is None else state.past, self.delays - 1)
        all_TB = torch.cat([past_KB, x_TB])
        if self.swap:
            y_TB = self._either(all_TB)
        else:
            y_TB = _convolve(all_TB, self.weight)
        y_TB = y_TB + self.bias.to(y_TB.dtype).view(-1, 1, 1)
        return y_TB, self.State(latest(past_KB, x_TB))

    def _either(self, all_TB: Tensor) -> Tensor:
        # With s = w0 + w1, a = w0 - w1: max(w0 x0 + w1 x1, w0 x1 + w1 x0) = (s (x0 + x1) + |a (x0 - x1)|) / 2.
        x0, x1 = all_TB[:, :, :1], all_TB[:, :, 1:]
        w0, w1 = self.weight[:, :1], self.weight[:, 1:]
        return (_convolve(x0 + x1, w0 + w1) + _convolve(x0 - x1, w0 - w1).abs()) / 2

    def dense(self, x_TB: Tensor) -> int:
        """Count the operations of a call in which nothing is 0; before the start there is nothing to count."""
        num_T, batch, _, height, width = x_TB.shape
        places = (height - self.size + 1) * (width - self.size + 1) * self.size**2
        heard = sum(min(t + 1, self.delays) for t in range(num_T))
        return (2 if self.swap else 1) * batch * heard * places * self.in_channels * self.out_channels

    @torch.no_grad()
    def count(self, x_TB: Tensor) -> ProductCount:
        """Count the operations of a call: one for each input and each synapse that hears it, where both are not 0.

        An input near the border is heard by fewer neurons. With ``swap`` each synapse hears both polarities.
        """
        active = (x_TB != 0).to(torch.float64).sum(1, keepdim=True)
        before = active.new_zeros(self.delays - 1, *active.shape[1:])
        synapses = (self.weight != 0).to(torch.float64).sum(0, keepdim=True)
        if self.swap:
            synapses = synapses + synapses.flip(1)
        effective = _convolve(torch.cat([before, active]), synapses)
        binary = bool(((x_TB == 0) | (x_TB.abs() == 1)).all())
        return ProductCount(dense=self.dense(x_TB), effective=round(float(effective.sum())), additions=binary)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.in_channels}, {self.out_channels}, delays={self.delays}, size={self.size}, swap={self.swap}"


def _convolve(all_TB: Tensor, weight: Tensor) -> Tensor:
    """Convolve (K - 1 + T, B, C, H, W), the past first, with (M, C, K, i, j): (T, B, M, H', W').

    Delays become channels: one 2-D convolution is several times as fast on a CPU as one in 3-D.
    """
    delays = weight.shape[2]
    windows = all_TB.unfold(0, delays, 1).permute(0, 1, 2, 5, 3, 4)  # (T, B, C, K, H, W), the oldest first
    kernel = weight.flip(2).flatten(1, 2).to(all_TB.dtype)
    y = conv2d(windows.flatten(2, 3).flatten(0, 1), kernel)
    return y.view(*windows.shape[:2], *y.shape[1:])
