"""Learned delays. Source: Hammouamri, Khalfaoui-Hassani and Masquelier 2024, ICLR, arXiv:2306.17670 (DCLS-Delays).

Letters: T time, B batch, N inputs, M outputs, S synapses a pair, D longest delay, K = D + 1 taps.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from ranvier.core.errors import ConfigError, ShapeError
from ranvier.nn.arrivals import Synapses, arrivals
from ranvier.nn.attention.product import ProductCount
from ranvier.nn.sliding_psn import latest, past
from ranvier.nn.stateful import Stateful

FLOOR = 0.27  # steps, of the width: a narrower Gaussian would fall between two taps


class DelayedLinear(Stateful):
    """A linear layer whose synapses each have a weight and a delay, both learned.

    In training a delay is a Gaussian over the taps, so that a gradient reaches its centre; its width shrinks as
    training goes on (``train.NarrowDelays``). In evaluation each synapse has one whole delay::

        training     g[k] = exp(-((k - d) / sigma)^2 / 2),  k = 0 ... D,  over their sum;  sigma = width + 0.27
                     y[t, m] = sum over n, s, k of weight[m, n, s] g[m, n, s, k] x[t - k, n]
        evaluation   y[t, m] = sum over n, s of weight[m, n, s] x[t - round(d[m, n, s]), n]

    Outside [0, D] a delay counts as the nearer end, and the gradient may only lead it back.

    Evaluation without gradients goes from spike to spike (``nn.arrivals``); with gradients, and compiled, it is a
    convolution with kernels of one tap: the same to rounding.

    Args:
        in_features, out_features: N, M. max_delay: D, steps; 0 is a plain linear layer. synapses: S, of each pair.
        learn: whether delays are learned; otherwise they are drawn and stay, and training reads between two taps.
        width: of the Gaussians before training, steps; None: D / 2.
    Attributes: weight (M, N, S), Kaiming-uniform over N S inputs; delay (M N S,), steps, uniform in [0, D], a buffer
        unless learned; it is flat since weight decay, which would draw delays to 0, is for what has two axes or more.
        width, a buffer (), saved with the weights.
    State: ``past`` (B, D, N), the latest inputs, the oldest first.
    Raises: ConfigError for numbers that make no sense; ShapeError for an input that is not (T, B, N).

    Source: section 2.3 there; positions are stored there as P = D / 2 - d, mirrored. There the output is D / 2 steps
    longer than the input; here it is as long, so give an input as much silence at its end as should still be heard.
    """

    width: Tensor

    class State(NamedTuple):
        """State of delayed synapses."""

        past: Tensor  # (B, D, N) the latest inputs, the oldest first

    def __init__(
        self, in_features: int, out_features: int, *, max_delay: int, synapses: int = 1, learn: bool = True,
        width: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        for name, size in (("in_features", in_features), ("out_features", out_features), ("synapses", synapses)):
            if size < 1:
                raise ConfigError(f"DelayedLinear.{name}", expected="at least 1", got=str(size))
        if max_delay < 0:
            raise ConfigError("DelayedLinear.max_delay", expected="at least 0 steps", got=str(max_delay))
        if width is not None and not width >= 0:
            raise ConfigError("DelayedLinear.width", expected="a number >= 0", got=str(width))
        self.in_features, self.out_features, self.synapses = in_features, out_features, synapses
        self.max_delay, self.learn = max_delay, learn and max_delay > 0
        shape = (out_features, in_features, synapses)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-1, 1) * math.sqrt(6 / (in_features * synapses)))
        delay = torch.rand(self.weight.numel()) * max_delay
        if self.learn:
            self.delay = nn.Parameter(delay)
        else:
            self.register_buffer("delay", delay)
        self.first_width = max_delay / 2 if width is None else float(width)
        self.register_buffer("width", torch.tensor(self.first_width))

    @property
    def state_type(self) -> Any:
        """The latest inputs."""
        return self.State

    def state_shapes(self, x_TB: Tensor) -> tuple[torch.Size, ...]:
        """D steps of the input."""
        return (torch.Size((x_TB.shape[1], self.max_delay, *x_TB.shape[2:])),)

    def run(self, x_TB: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """Turn (T, B, N) into (T, B, M); the state holds what later steps will hear."""
        self.check(x_TB, state)
        if x_TB.ndim != 3 or x_TB.shape[2] != self.in_features:
            expected = f"an input (T, B, {self.in_features})"
            raise ShapeError("DelayedLinear", expected=expected, got=str(tuple(x_TB.shape)))
        past_DBN = past(x_TB, None if state is None else state.past, self.max_delay)
        if self._goes_by_spikes(x_TB):
            y_TBM = arrivals(x_TB, self.as_synapses(), self.out_features, past_DBN)
        else:
            y_TBM = _convolve(torch.cat([past_DBN, x_TB]), self.kernel())
        return y_TBM, self.State(latest(past_DBN, x_TB))

    def kernel(self) -> Tensor:
        """Return the weight of each tap, (M, N, K), tap k being k steps ago: spread in training, else whole delays."""
        spread_MNSK = self._spread() if self.training else self._whole()
        return torch.einsum("mns,mnsk->mnk", self.weight, spread_MNSK)

    @torch.no_grad()
    def delays(self) -> Tensor:
        """Return the delay of each synapse as evaluation has it, (M, N, S), whole steps."""
        return self.delay.clamp(0, self.max_delay).round().long().view(self.weight.shape)

    def as_synapses(self) -> Synapses:
        """List the synapses as evaluation has them."""
        place = torch.arange(self.weight.numel(), device=self.weight.device)
        post, rest = place // (self.in_features * self.synapses), place % (self.in_features * self.synapses)
        weight, delay = self.weight.flatten(), self.delays().flatten()
        return Synapses(rest // self.synapses, post, weight, delay)

    def dense(self, x_TBN: Tensor) -> int:
        """Count the operations of a call in which nothing is 0."""
        return x_TBN.numel() * self.out_features * self.synapses

    @torch.no_grad()
    def count(self, x_TBN: Tensor) -> ProductCount:
        """Count the operations of a call in evaluation: one for each input and synapse, where both are not 0."""
        fan_N = (self.weight != 0).sum((0, 2))
        active_N = (x_TBN != 0).sum((0, 1))
        binary = bool(((x_TBN == 0) | (x_TBN.abs() == 1)).all())
        return ProductCount(dense=self.dense(x_TBN), effective=int((active_N * fan_N).sum()), additions=binary)

    def _goes_by_spikes(self, x_TB: Tensor) -> bool:
        learns = torch.is_grad_enabled() and (x_TB.requires_grad or self.weight.requires_grad)
        return not (self.training or learns or torch.compiler.is_compiling())

    def _spread(self) -> Tensor:
        taps_K = torch.arange(self.max_delay + 1, device=self.delay.device, dtype=self.delay.dtype)
        if not self.learn:
            return (1 - (taps_K - self.delay.view(*self.weight.shape, 1)).abs()).clamp(min=0)
        inside: Tensor = _Inside.apply(self.delay, float(self.max_delay))  # type: ignore[no-untyped-call]
        centre_MNS1 = inside.view(*self.weight.shape, 1)
        sigma = self.width.abs() + FLOOR
        bell_MNSK = torch.exp(-0.5 * ((taps_K - centre_MNS1) / sigma).square())
        return bell_MNSK / (bell_MNSK.sum(-1, keepdim=True) + 1e-7)

    def _whole(self) -> Tensor:
        taps_K = torch.arange(self.max_delay + 1, device=self.delay.device)
        return (taps_K == self.delays().unsqueeze(-1)).to(self.weight.dtype)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return (
            f"{self.in_features}, {self.out_features}, max_delay={self.max_delay}, synapses={self.synapses}, "
            f"{'learned' if self.learn else 'fixed'}, width={float(self.width):g}"
        )


class _Inside(torch.autograd.Function):
    """Clamp to [0, D]; from an end the gradient passes only if descent along it leads back inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, end: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.end = end
        return x.clamp(0, end)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        outwards = ((x <= 0) & (gradient > 0)) | ((x >= ctx.end) & (gradient < 0))
        return gradient.masked_fill(outwards, 0.0), None


def _convolve(all_TBN: Tensor, kernel_MNK: Tensor) -> Tensor:
    """Convolve (D + T, B, N), the past first, with taps by delay: (T, B, M)."""
    y_BMT = conv1d(all_TBN.permute(1, 2, 0), kernel_MNK.flip(-1).to(all_TBN.dtype))
    return y_BMT.permute(2, 0, 1)
