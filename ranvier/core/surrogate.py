"""The spike and its stand-in derivative.

A spike is a Heaviside step of the membrane's distance from the threshold, x = v - v_th; its derivative is zero almost
everywhere. A surrogate replaces it in the backward pass (Neftci, Mostafa and Zenke 2019, IEEE SPM 36:51, eq. 8).
"""

from abc import ABC, abstractmethod
from typing import Any, dataclass_transform

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from ranvier.core.params import Described


@dataclass_transform(frozen_default=True)
class Surrogate(Described, ABC):
    """A stand-in derivative for the spike, with the primitive it is the derivative of.

    Both are elementwise functions of x = v - v_th in plain PyTorch, finite for every finite x of every floating type.
    """

    @abstractmethod
    def derivative(self, x: Tensor) -> Tensor:
        """Compute the stand-in for dS/dx."""

    @abstractmethod
    def primitive(self, x: Tensor) -> Tensor:
        """Compute the smooth function whose derivative ``derivative`` is."""


class Soft(Surrogate):
    """A spike that is its primitive in the forward pass too: the network becomes smooth.

    For gradient checks by finite differences, never for training spikes.

    Args: of: the surrogate whose primitive replaces the Heaviside step.
    """

    of: Surrogate

    def derivative(self, x: Tensor) -> Tensor:
        """Compute the derivative of the primitive."""
        return self.of.derivative(x)

    def primitive(self, x: Tensor) -> Tensor:
        """Compute the primitive."""
        return self.of.primitive(x)


class _Spike(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, surrogate: Surrogate, strict: bool) -> Tensor:  # noqa: ARG004 - the backward pass needs it
        return (x > 0 if strict else x >= 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Surrogate, bool], output: Tensor) -> None:  # noqa: ARG004 - torch's signature
        ctx.save_for_backward(inputs[0])
        ctx.surrogate = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return grad * ctx.surrogate.derivative(x), None, None


def spike(x: Tensor, surrogate: Surrogate, *, strict: bool = False) -> Tensor:
    """Fire where the membrane has reached its threshold; differentiate through the surrogate.

    S = 1 where x >= 0 (x > 0 if strict), else 0; dS/dx := surrogate.derivative(x).

    Args: x: v - v_th, any shape, floating. strict: whether x = 0 stays silent.
    Returns: 0 or 1 in the type of x. With a ``Soft`` surrogate, its primitive of x.
    """
    if has_torch_function_unary(x):
        return handle_torch_function(spike, (x,), x, surrogate, strict=strict)
    if isinstance(surrogate, Soft):
        return surrogate.primitive(x)
    return _Spike.apply(x, surrogate, strict)  # type: ignore[no-any-return,no-untyped-call]
