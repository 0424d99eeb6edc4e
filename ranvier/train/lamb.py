"""LAMB: Adam whose step is scaled, layer by layer, to the size of the weights. Torch has none.

Source: You et al. 2020, arXiv:1904.00962, algorithm 2.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class Lamb(Optimizer):
    """Layer-wise adaptive moments.

    m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  r = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
    u = r + weight_decay w,  w <- w - lr (|w| / |u|) u

    The ratio |w| / |u| is 1 where either norm is 0, and for parameters without weight decay (biases, gains), as in the
    implementations that trained the published vision networks.

    Args: clip_trust: the ratio is at most 1 ("trust clip"), so that it never lengthens a step.
    """

    def __init__(
        self, parameters: Iterable[Any], *, lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float = 0.0, clip_trust: bool = False,
    ) -> None:  # fmt: skip
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "clip_trust": clip_trust}
        super().__init__(parameters, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step. Args: closure: computes the loss and its gradients first; its value is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (b1, b2) = self.state[weight], group["betas"]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        state["step"] += 1
        t = float(state["step"])
        state["exp_avg"].lerp_(gradient, 1 - b1)
        state["exp_avg_sq"].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        root = (state["exp_avg_sq"] / (1 - b2**t)).sqrt_().add_(group["eps"])
        update = (state["exp_avg"] / (1 - b1**t)).div_(root)
        if group["weight_decay"]:
            update.add_(weight, alpha=group["weight_decay"])
            size, length = weight.norm(), update.norm()
            ratio = torch.where((size > 0) & (length > 0), size / length, torch.ones_like(size))
            update.mul_(ratio.clamp(max=1.0) if group["clip_trust"] else ratio)
        weight.sub_(update, alpha=group["lr"])
