"""A linear layer's product with an input that is mostly zeros. R rows (all axes but the last), J inputs, M outputs."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ranvier.kernels.dispatch import Explanation
from ranvier.kernels.packed import PackedSpikes
from ranvier.kernels.recurrent import loop, operators

# From this share of active inputs on, a dense product is faster: measured with AVX-512 at 0.4 to 0.6, see
# benchmarks/recurrent.py.
CROSSOVER = 0.4


def linear(x_RJ: Tensor, weight_MJ: Tensor, bias_M: Tensor | None) -> Tensor:
    """Compute x W^T + b, over active inputs only where that is faster; gradients likewise.

    Args: x_RJ: (..., J); packed spikes are read as they are, bits in the backward pass too. weight_MJ: (M, J).
        bias_M: (M,) or None.
    Returns: (..., M). Sums over active inputs go in ascending order, starting from the bias.
    """
    if _obstacle(x_RJ, weight_MJ) is not None:
        return F.linear(x_RJ, weight_MJ, bias_M)
    flat = x_RJ.reshape(-1, x_RJ.shape[-1])
    if isinstance(flat, PackedSpikes) and flat.is_contiguous() and not torch.compiler.is_compiling():
        walked: Tensor = _Walked.apply(flat, weight_MJ, bias_M)  # type: ignore[no-untyped-call]
        return walked.reshape(*x_RJ.shape[:-1], weight_MJ.shape[0])
    out: Tensor = operators.event_linear(flat, weight_MJ, bias_M)
    return out.reshape(*x_RJ.shape[:-1], weight_MJ.shape[0])


def explain(x_RJ: Tensor, weight_MJ: Tensor) -> Explanation:
    """Say how ``linear`` computes this product, and why."""
    reason = _obstacle(x_RJ, weight_MJ)
    if reason is not None:
        return Explanation("dense", reason, 0, 0)
    return Explanation("events", f"{density(x_RJ):.1%} of the inputs are active, fewer than {CROSSOVER:.0%}", 0, 0)


def density(x: Tensor) -> float:
    """Measure the share of numbers that are not zero, on evenly spaced rows where there are many."""
    if isinstance(x, PackedSpikes) and x.form == "bits":
        return _density_of_bits(x.codes, x.shape[-1])
    rows = x.detach().reshape(-1, x.shape[-1])
    some = rows[:: max(len(rows) // 64, 1)]
    return float(some.count_nonzero()) / max(some.numel(), 1)


def _density_of_bits(codes: Tensor, row: int) -> float:
    """Count bits in all bytes, or in 64 evenly spaced stretches of about a row."""
    width = max(row // 8, 1)
    if len(codes) > 64 * width:
        starts = torch.arange(64) * ((len(codes) - width) // 63)
        codes = codes[starts.unsqueeze(1) + torch.arange(width)]
    ones = int.from_bytes(codes.cpu().numpy().tobytes(), "little").bit_count()
    return ones / max(8 * codes.numel(), 1)


def _obstacle(x_RJ: Tensor, weight_MJ: Tensor) -> str | None:
    if x_RJ.device.type != "cpu":
        return f"the input is on {x_RJ.device.type}"
    if x_RJ.dtype not in (torch.float32, torch.float64) or weight_MJ.dtype != x_RJ.dtype:
        return f"the input is {x_RJ.dtype}, the weight {weight_MJ.dtype}"
    absence: str | None = loop.absence()
    if absence is not None:
        return absence
    if x_RJ.numel() == 0:
        return "the input is empty"
    if torch.compiler.is_compiling():
        return None  # a graph cannot branch on numbers
    share = density(x_RJ)
    return f"{share:.1%} of the inputs are active, not fewer than {CROSSOVER:.0%}" if share >= CROSSOVER else None


class _Walked(torch.autograd.Function):
    """The product with packed spikes (R, J), as an operator of PyTorch's would get them unpacked."""

    @staticmethod
    def forward(ctx: Any, x: PackedSpikes, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.has_bias = bias is not None
        ctx.save_for_backward(x, weight)
        return loop.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        d_x = grad @ weight if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return d_x, None, None
        return d_x, *loop.gradient([(x, grad)], bias=ctx.has_bias)
