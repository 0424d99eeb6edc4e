"""Layers that send errors back through other weights than their own.

Sources: Lillicrap, Cownden, Tweed and Akerman 2016, Nat. Commun. 7:13276 (feedback alignment); Liao, Leibo and Poggio
2016, AAAI, arXiv:1510.05067 (sign symmetry). Axes: B batch, N features in, M features out.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ranvier.core.errors import ConfigError

WayBack = Literal["random", "sign"]


class AlignedLinear(nn.Linear):
    """A linear layer that needs no weight transport: errors go back through B in the place of W.

    y = W x + b,   dL/dW = delta x^T,   dL/dx = B^T delta

    Args: in_features, out_features, bias: as of ``nn.Linear``. back: "random", B is drawn once, uniform as Kaiming has
        it, and stays (feedback alignment); "sign", B = sign(W) / sqrt(N).
    Attributes: back_weight (M, N), a buffer, for "random" alone.
    Raises: ConfigError for another way back.
    """

    back_weight: Tensor

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, back: WayBack = "random") -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.back = _checked(back)
        if back == "random":
            self.register_buffer("back_weight", _drawn(self.weight))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Apply W (..., N) -> (..., M)."""
        y: Tensor = _Linear.apply(input, self.weight, _backward_weight(self))  # type: ignore[no-untyped-call] # torch's
        return y if self.bias is None else y + self.bias.to(y.dtype)

    def extra_repr(self) -> str:
        """Show the sizes and the way back."""
        return f"{super().extra_repr()}, back={self.back}"


class AlignedConv2d(nn.Conv2d):
    """A convolution whose errors go back through other weights; see ``AlignedLinear``.

    Args: as of ``nn.Conv2d``, padded by zeros, of one group. back: as of ``AlignedLinear``, N being those of a patch.
    Raises: ConfigError for another way back, padding or groups.
    """

    back_weight: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, back: WayBack = "random", **options: Any
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        if isinstance(self.padding, str) or self.padding_mode != "zeros" or self.groups != 1:
            got = f"padding {self.padding!r} by {self.padding_mode}, groups={self.groups}"
            raise ConfigError("AlignedConv2d", expected="a number of zeros around, and one group", got=got)
        self.back = _checked(back)
        if back == "random":
            self.register_buffer("back_weight", _drawn(self.weight))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Convolve (B, C, H, W)."""
        options = (self.stride, self.padding, self.dilation)
        y: Tensor = _Conv.apply(input, self.weight, _backward_weight(self), options)  # type: ignore[no-untyped-call]
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]

    def extra_repr(self) -> str:
        """Show the sizes and the way back."""
        return f"{super().extra_repr()}, back={self.back}"  # type: ignore[no-untyped-call] # torch's


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(x, back)
        return nn.functional.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, back = ctx.saved_tensors
        to_x = grad @ back.to(grad.dtype) if ctx.needs_input_grad[0] else None
        grad_BM, x_BN = grad.reshape(-1, grad.shape[-1]), x.to(grad.dtype).reshape(-1, x.shape[-1])
        to_weight = grad_BM.T @ x_BN if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, back: Tensor, options: Any) -> Tensor:
        ctx.save_for_backward(x, back)
        ctx.options = options
        return nn.functional.conv2d(x, weight, None, *options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, back = ctx.saved_tensors
        mask = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        # The gradient of the weights depends on the input alone, that of the input on the weights it is given.
        to_x, to_weight, _ = torch.ops.aten.convolution_backward(
            grad, x.to(grad.dtype), back.to(grad.dtype), None, *ctx.options, False, [0, 0], 1, mask
        )  # fmt: skip
        return to_x, to_weight, None, None


def _checked(back: WayBack) -> WayBack:
    if back not in ("random", "sign"):
        raise ConfigError("back", expected='"random" or "sign"', got=repr(back))
    return back


def _drawn(weight: Tensor) -> Tensor:
    drawn = torch.empty_like(weight, requires_grad=False)
    nn.init.kaiming_uniform_(drawn, a=math.sqrt(5))  # as torch draws W itself
    return drawn


def _backward_weight(layer: Any) -> Tensor:
    weight: Tensor = layer.weight
    if layer.back == "random":
        back: Tensor = layer.back_weight
        return back
    return weight.detach().sign() / math.sqrt(weight[0].numel())
